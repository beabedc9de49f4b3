"""Whose fault an error is, by its exit code."""

import errno
import json

import pytest

from hoibench.cli.exit_codes import to_exit_code
from hoibench.cli.main import main
from hoibench.cli.run import main as run

pytestmark = pytest.mark.usefixtures("toy")

TOY = (
    "--dataset",
    "toy",
    "--metrics",
    "rpe",
    "--limit",
    "1",
    "--executor",
    "inline",
    "--method",
    "still",
    "--out",
    "r",
)


@pytest.mark.parametrize("error", [KeyError("foo"), ValueError("foo"), FileNotFoundError("foo"), RuntimeError("foo")])
def test_a_fault_of_ours_is_a_crash_whatever_its_kind(tmp_path, monkeypatch, capsys, error):
    def breaks(runs, out):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leaderboard.build.build", breaks)
    assert run(TOY) == 1
    assert f"error: {type(error).__name__}: " in capsys.readouterr().err


def test_a_full_disk_says_where_and_what_to_do(tmp_path, monkeypatch, capsys):
    def breaks(path, rows):
        raise OSError(errno.ENOSPC, "No space left on device", "r/results.parquet")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hoibench.evaluation.finish.write_rows", breaks)
    assert run(TOY) == 1
    said = capsys.readouterr().err
    assert "no space left while writing r/results.parquet; completed work is kept" in said
    assert json.loads((tmp_path / "r" / "run.json").read_text())["exit"]["status"] == "stopped"


@pytest.mark.parametrize(
    ("number", "code", "told"),
    [
        (errno.ENOSPC, 1, "error: choose another place; completed work is kept: free some space and give the same command again\n"),
        (errno.EACCES, 2, "error: choose another place\n"),
    ],
)  # fmt: skip
def test_a_place_that_explains_itself_is_quoted_without_a_traceback(capsys, number, code, told):
    def breaks(words):
        raise OSError(number, "choose another place")

    assert to_exit_code(breaks, []) == code
    assert capsys.readouterr().err == told


def test_a_shard_speaks_json_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*TOY, "--shard", "1/2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["page"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "file"], "file"),
        (["--out", "file/x"], "file"),
        (["--shard", "1/2", "--no-resume", "--out", "r"], "would also rename the other shards"),
        (["--config", "list.json"], "expected an object"),
        (["--config", "bytes.toml"], "bytes.toml"),
        (["--out", "old"], "expected 'hoibench/run@3': give another --out, or --no-resume"),
        (["--out", "torn"], "is not strict JSON"),
    ],
)
def test_errors_of_use_are_one_line_and_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "bytes.toml").write_bytes(b"method = '\xff'")
    for name, text in (("old", '{"schema": "hoibench/run@1"}'), ("torn", "{")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    assert run([*TOY[:-2], *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert said.count("\n") == 1


def test_merge_of_nothing_is_an_error_of_use(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["merge", "nope"]) == 2
    assert "nope is not the folder of a run" in capsys.readouterr().err
