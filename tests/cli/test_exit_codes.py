"""Exit codes and messages of errors."""

import errno
import json

import pytest

from hoibench.cli.exit_codes import to_exit_code
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
def test_an_internal_error_of_any_type_is_a_crash(tmp_path, monkeypatch, capsys, error):
    def fail(runs, out, on_progress):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("leaderboard.build.build", fail)
    assert run(TOY) == 1
    assert f"error: {type(error).__name__}: " in capsys.readouterr().err


def test_a_full_disk_gives_the_file_and_the_fix(tmp_path, monkeypatch, capsys):
    def fail(path, rows):
        raise OSError(errno.ENOSPC, "No space left on device", "r/results.parquet")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hoibench.evaluation.collect_results.write_sorted_rows", fail)
    assert run(TOY) == 1
    error_text = capsys.readouterr().err
    assert "no space left while writing r/results.parquet; completed work is kept" in error_text
    assert json.loads((tmp_path / "r" / "run.json").read_text())["exit"]["status"] == "stopped"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (errno.ENOSPC, 1, "error: choose another place; completed work is kept: free some space and give the same command again\n"),
        (errno.EACCES, 2, "error: choose another place\n"),
    ],
)  # fmt: skip
def test_an_os_error_with_its_own_text_is_printed_without_a_traceback(capsys, number, code, message):
    def fail(words):
        raise OSError(number, "choose another place")

    assert to_exit_code(fail, []) == code
    assert capsys.readouterr().err == message


def test_a_shard_can_print_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*TOY, "--shard", "1/2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["page"] is None
