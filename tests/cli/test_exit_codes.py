"""Whose fault an error is, by its exit code."""

import errno
import json

import pytest

from hoibench.cli.errors import guarded
from hoibench.cli.run import main as run

pytestmark = pytest.mark.usefixtures("toy")

TOY = ("--dataset", "toy", "--metrics", "rpe", "--limit", "1", "--workers", "1", "--method", "still", "--out", "r")


@pytest.mark.parametrize("error", [KeyError("foo"), ValueError("foo"), FileNotFoundError("foo"), RuntimeError("foo")])
def test_a_fault_of_ours_is_a_crash_whatever_its_kind(tmp_path, monkeypatch, capsys, error):
    def breaks(runs, out):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leaderboard.build.build", breaks)
    assert run(TOY) == 1
    assert f"error: {type(error).__name__}: " in capsys.readouterr().err


def test_a_full_disk_says_where_and_what_to_do(tmp_path, monkeypatch, capsys):
    def breaks(out, record):
        raise OSError(errno.ENOSPC, "No space left on device", "r/results.parquet")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hoibench.evaluation.run.write_results", breaks)
    assert run(TOY) == 1
    said = capsys.readouterr().err
    assert "no space left while writing r/results.parquet; what was done is kept" in said
    assert json.loads((tmp_path / "r" / "run.json").read_text())["exit"]["status"] == "stopped"


def test_a_place_that_explains_itself_is_quoted(capsys):
    def breaks(words):
        raise OSError(errno.ENOSPC, "HOIBENCH_CACHE is full")

    assert guarded(breaks, []) == 1
    assert "error: HOIBENCH_CACHE is full; what was done is kept" in capsys.readouterr().err


def test_a_shard_speaks_json_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*TOY, "--shard", "1/2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["page"] is None
