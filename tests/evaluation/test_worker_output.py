"""What methods print goes to files of the run, and the last of it into their failures."""

import re

import pytest
from toy_runs import run_toy

from hoibench.results.run_record import RunRecord

pytestmark = pytest.mark.usefixtures("toy")


def test_what_a_method_prints_goes_to_logs_and_its_end_into_failures(tmp_path, capfd):
    settings = {"executor": "local", "workers": 1, "metrics": "rpe", "limit": 6}
    run_toy(tmp_path, method=("noisy", "unloadable"), **settings)
    assert capfd.readouterr() == ("", "")

    logs = tmp_path / "logs"
    assert (logs / "noisy" / "load.log").read_text() == "loading weights\n"
    log = (logs / "noisy" / "seed-0" / "clip_0.log").read_text()
    assert log.startswith("clip_0: step 0\nclip_0: step 1\n")
    assert log.endswith("clip_0: step 39999\na child's line\n")
    assert len(log) < 2 * 256 * 1024 + 100

    failures = {failure.unit: failure for failure in RunRecord.read(tmp_path / "run.json").exit.failures}
    raised, crashed = (failures.pop(f"noisy/seed-0/clip_{n}") for n in (1, 2))
    assert re.fullmatch(r"KeyError: 'prompt' \(methods\.py:[0-9]+\)", raised.reason)
    assert raised.output.endswith("clip_1: step 39999\na child's line")
    assert (raised.output.count("\n"), raised.log) == (19, "logs/noisy/seed-0/clip_1.log")
    assert crashed.reason == "its process crashed in native code (SIGSEGV)"
    assert "methods.py" in crashed.output and "in change" in crashed.output, "the stack"

    assert set(failures) == {f"unloadable/seed-0/clip_{n}" for n in range(6)}
    assert {(f.stage, f.reason, f.log, f.output) for f in failures.values()} == {
        (
            "generate",
            "its process ended by itself with exit code 3: its code or a library called exit",
            "logs/unloadable/load.log",
            "loading weights",
        )
    }
