"""Commands on a finished run, and lists of methods."""

import json

import pytest

from hoibench.cli.main import main
from hoibench.cli.run import main as run
from hoibench.datasets.split_files import VersionedSplit, all_splits

pytestmark = pytest.mark.usefixtures("toy")

TOY = ("--dataset", "toy", "--metrics", "rpe,chamfer", "--limit", "2", "--executor", "inline")


@pytest.fixture
def done(tmp_path, monkeypatch, capsys):
    """A finished run in the working folder."""
    monkeypatch.chdir(tmp_path)
    assert run([*TOY, "--method", "still", "--out", "runs/r"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "runs/r/leaderboard/index.html"
    return tmp_path / "runs" / "r"


def test_show_ls_and_merge(done, capsys):
    assert main(["show", "runs/r"]) == 0
    shown = capsys.readouterr().out
    assert "rpe@2" in shown
    assert "still" in shown
    assert main(["ls", "runs", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["run"], listed["status"], listed["methods"]) == ("runs/r", "done", "still")
    (done / "results.parquet").unlink()
    assert main(["merge", "runs/r"]) == 0
    assert (done / "results.parquet").is_file()


def test_commands_work_inside_a_run(done, monkeypatch, capsys):
    """A run holds a folder `leaderboard`, which must not be taken for the package."""
    monkeypatch.chdir(done)
    assert main(["merge", "."]) == 0


def test_json_summary(done, capsys):
    assert run([*TOY, "--method", "still", "--out", "runs/r", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["status"] == "done"
    assert summary["failures"] == []


def test_splits_are_listed_with_their_numbers_of_clips_and_ids(capsys):
    assert main(["ls", "splits", "--json"]) == 0
    rows = {row["split"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows.keys() == {f"{splits.name}/{part}" for splits in all_splits() for part in splits.parts}
    for name in ("synthetic@2/demo", "taco-syncmv4d@1/val", "taco-syncmv4d@2/test"):
        split, part = name.split("/")
        manifest = VersionedSplit(split).manifest(part)
        assert (rows[name]["clips"], rows[name]["id"]) == (str(len(manifest.entries)), manifest.split_id)
    assert rows["taco-syncmv4d@2/test"][""] == "alias of taco-syncmv4d@2/test_unseen"


def test_presets_and_settings_are_listed(capsys):
    assert main(["ls", "presets", "--json"]) == 0
    presets = {row["method"]: row["title"] for row in json.loads(capsys.readouterr().out)}
    assert presets["tuned+points"] == "points only" and presets["syncmv4d+nano"] == "nano"
    assert main(["ls", "settings", "--json"]) == 0
    settings = {row["setting"]: row for row in json.loads(capsys.readouterr().out)}
    assert settings["tuned.video"] == {
        "setting": "tuned.video", "type": "flag", "default": "True", "help": "Return a video.",
    }  # fmt: skip
    assert settings["syncmv4d.checkpoint"]["type"] == "path"
