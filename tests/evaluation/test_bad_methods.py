"""Methods that misbehave fail by themselves: the others go on, standard output has the result alone, and no process is left."""

import json

import pandas as pd

HOSTILE = """
import os, subprocess, sys, threading, time
from hoibench.methods.spec import Spec
from toyset.methods import Still

print("imported")
os.write(1, b"imported by write\\n")
subprocess.run(["/bin/echo", "imported by a child"])
time.sleep(1)
threading.Thread(target=time.sleep, args=(600,)).start()
os.chdir("/")
sys.excepthook = lambda *_: os._exit(1)
sys.stdout.close()
os.close(1)

class Hostile(Still):
    spec = Spec(id="hostile", outputs=("video", "tracks"), pairing="query")

    def __init__(self, entrant, runtime):
        super().__init__(entrant, runtime)
        server = "(setsid sleep 600 >/dev/null & echo $!)"
        self.server = int(subprocess.run(["/bin/sh", "-c", server], stdout=subprocess.PIPE).stdout)

    def change(self, request, prediction):
        os.kill(self.server, 0)  # it lives as long as the method
        print("drawing", request.clip_id)
        if os.fork() == 0:
            raise RuntimeError("in a process that forgets to end")
        return prediction
"""

EXITING = """
import os
print("imported")
os._exit(7)

class Exiting:
    pass
"""


def finish(process):
    out, err = process.communicate(timeout=300)
    assert out.count("\n") == 1, out
    return process.returncode, json.loads(out), err


def test_bad_methods_fail_and_good_ones_go_on(launch, tmp_path):
    (tmp_path / "hostile.py").write_text(HOSTILE)
    (tmp_path / "exiting").mkdir()
    (tmp_path / "exiting" / "exiting.py").write_text(EXITING)
    (tmp_path / "exiting" / "spec.toml").write_text('id = "exiting"\noutputs = ["video", "tracks"]\n')
    common = ("--json", "--limit", "2", "--workers", "1", "--out", "r", "--method", "dying")
    common += ("--adapter", "exiting/exiting.py:Exiting")
    exits = "its process ended by itself with exit code {}: its code or a library called exit"
    problem = f"exiting cannot start: {exits.format(7)}, while it was imported and checked; it printed: imported"

    code, result, _ = finish(launch(*common))
    assert (code, result) == (2, {"status": "refused", "problems": [problem]})
    assert not (tmp_path / "r").exists()

    more = ("--method", "unloadable", "--adapter", "hostile.py:Hostile")
    code, result, err = finish(launch(*common, *more, "--keep-going", "--verbose"))
    assert code == 3, err
    found = {(f["unit"], f["stage"], f["reason"], f["log"]) for f in result["failures"]}
    assert found == {
        *((f"exiting/seed-0/clip_{n}", "start", problem, None) for n in (1, 3)),
        *((f"unloadable/seed-0/clip_{n}", "generate", exits.format(3), "logs/unloadable/load.log") for n in (1, 3)),
        ("dying/seed-0/clip_1", "generate", exits.format(9), None),
    }
    for line in ("imported", "imported by write", "imported by a child"):
        assert f"\nhostile | {line}\n" in err
    assert "\nhostile clip_1 | drawing clip_1\n" in err and "\nhostile clip_3 | drawing clip_3\n" in err
    assert (tmp_path / "r" / "logs" / "hostile" / "seed-0" / "clip_3.log").read_text() == "drawing clip_3\n"

    rows = pd.read_parquet(tmp_path / "r" / "results.parquet")
    rows = rows[rows["metric"].eq("rpe@2") & rows["view"].isna() & rows["part"].isna()]
    status = rows.set_index(["method", "clip"])["status"]
    assert {method: list(status[method]) for method in ("dying", "unloadable", "exiting", "hostile")} == {
        "dying": ["failed", "ok"], "unloadable": ["failed", "failed"], "exiting": ["failed", "failed"], "hostile": ["ok", "ok"],
    }  # fmt: skip
