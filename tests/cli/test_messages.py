"""Messages of commands: one line that names the flag or file, the value and the fix."""

import os
import re

import pytest

from hoibench.cli.main import main

pytestmark = pytest.mark.usefixtures("toy")

TOY = ("run", "--dataset", "toy", "--metrics", "rpe", "--limit", "1", "--executor", "inline")
STILL = (*TOY, "--method", "still")

CRASHING = """
import os, signal
from hoibench.methods.method import Method
from hoibench.methods.spec import Spec

class Mine(Method):
    spec = Spec(id="mine")

    def generate(self, request):
        if request.clip_id == "clip_0":
            print("out of licences")
            os._exit(3)
        if request.clip_id == "clip_1":
            os.kill(os.getpid(), signal.SIGKILL)
        return self.read({})

    def read(self, table):
        return table["prompt"]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((*STILL, "--out", "file"), "error: --out {here}/file is a file: give another --out"),
        ((*STILL, "--out", "file/r"), "error: --out {here}/file/r cannot be created, since {here}/file is a file: give another --out"),
        ((*STILL, "--out", "old"), "error: .* cannot be resumed: .*'hoibench/run@1'.*; or give another --out, or --no-resume to rename .*"),
        ((*STILL, "--out", "torn"), "error: --out {here}/torn cannot be resumed: .*run.json is not strict JSON.*"),
        ((*STILL, "--shard", "1/2", "--no-resume"), "error: --no-resume would also rename the other shards: delete .*"),
        ((*TOY, "--config", "wrong.toml"), r"error: --config wrong.toml: limit is 'x', expected a whole number"),
        ((*TOY, "--config", "list.json"), r"error: --config list.json is not valid json: found \[1, 2\], expected an object"),
        ((*TOY, "--config", "bytes.toml"), "error: --config bytes.toml is not valid toml: .*"),
        ((*TOY, "--config", "none.toml"), "error: --config none.toml: no such file"),
        ((*TOY, "--adapter", "none.py:A"), "error: --adapter none.py:A: no such file.*"),
        ((*TOY, "--method", "stll"), "error: --method stll: unknown method 'stll': did you mean still.*"),
        ((*TOY, "--method", "mine=nowhere"), "error: --method mine=nowhere: no such folder.*"),
        ((*TOY, "--method", "tuned+pionts"), "error: --method tuned.pionts: unknown preset of tuned 'pionts': did you mean points.*"),
        (TOY, "error: --method is missing: give NAME .*, or --adapter FILE.py:CLASS"),
        ((*STILL, "--metrics", "rpe,chamfr"), "error: --metrics chamfr: unknown metric 'chamfr': did you mean chamfer@2.*"),
        ((*STILL, "--split", "dmo"), "error: --split dmo: unknown split 'dmo': did you mean demo.*"),
        ((*STILL, "--dataset", "synthtic"), "error: unknown data set 'synthtic': did you mean synthetic.*"),
        ((*STILL, "--root", "nowhere"), "error: .*nowhere: no such folder.*"),
        ((*TOY, "--method", "tuned", "--set", "tuned.vido=false"), "error: .*unknown setting of tuned.full 'vido': did you mean video.*"),
        (
            (*TOY, "--method", "tuned", "--method", "tuned_too", "--checkpoint", "."),
            "error: .*fits tuned.full and tuned_too.full: use --set tuned.full.checkpoint=PATH.*",
        ),
        (("merge", "nowhere"), "error: nowhere is not the folder of a run.*"),
        (("data", "doctor", "empty"), r"empty has no file of a TACO download: unpack its zips there \(docs/taco.md\)"),
    ],
)  # fmt: skip
def test_a_command_that_cannot_start_prints_one_line_and_writes_nothing(folder, capsys, words, line):
    (folder / "file").touch()
    (folder / "wrong.toml").write_text("limit = 'x'")
    (folder / "list.json").write_text("[1, 2]")
    (folder / "bytes.toml").write_bytes(b"method = '\xff'")
    (folder / "empty").mkdir()
    for name, text in (("old", '{"schema": "hoibench/run@1"}'), ("torn", "{")):
        (folder / name).mkdir()
        (folder / name / "run.json").write_text(text)
    before = sorted(folder.rglob("*"))
    assert main(list(words)) == (3 if "doctor" in words else 2)
    printed = "".join(capsys.readouterr()).removeprefix("loading\n")
    assert re.fullmatch(line.format(here=re.escape(str(folder))) + "\n", printed)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    "words", [("run", "--method", "frozen"), ("cache", "ls"), ("run", "--method", "frozen", "--dry-run")]
)
def test_a_cache_folder_that_is_a_file(folder, capsys, monkeypatch, words):
    (folder / "file").touch()
    monkeypatch.setenv("HOIBENCH_CACHE", "file")
    assert main(list(words)) == 2
    expected = "error: HOIBENCH_CACHE=file is a file, expected a folder: set HOIBENCH_CACHE to a folder\n"
    assert "".join(capsys.readouterr()).removeprefix("loading\n") == expected
    assert os.listdir() == ["file"]


def test_the_end_of_a_run_names_exit_codes_signals_lines_of_the_method_and_logs(folder, capsys):
    (folder / "adapter.py").write_text(CRASHING)
    words = ["--metrics", "rpe", "--method", "still", "--adapter", "adapter.py:Mine", "--workers", "1", "--out", "r"]
    assert main(["run", "--dataset", "toy", *words]) == 3
    printed = capsys.readouterr().err
    line = 1 + CRASHING.splitlines().index('        return table["prompt"]')
    for reason in (
        "its process ended by itself with exit code 3: its code or a library called exit\n  | out of licences\n"
        "  log: r/logs/mine/seed-0/clip_0.log",
        "its process was killed by SIGKILL: out of memory, or from outside",
        f"KeyError: 'prompt' (adapter.py:{line})",
    ):
        assert f"\n  {reason}\n" in printed


def test_a_merge_names_file_and_line_of_a_row_that_cannot_be_read(folder, capsys):
    assert main([*STILL, "--out", "r"]) == 0
    (path,) = (folder / "r" / "scores" / "still" / "seed-0").glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"garbage\xff\n")
    capsys.readouterr()
    assert main(["merge", "r"]) == 3
    place = re.escape(str(path.relative_to(folder)))
    assert re.search(rf"\n  {place}:3: .*; delete the file to score the clip again\n", capsys.readouterr().err)
