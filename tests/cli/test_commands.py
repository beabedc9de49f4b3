"""Commands in this process, and what they say when something is wrong."""

import json

import numpy as np
import pandas as pd
import pytest

from hoibench.cli.main import main
from hoibench.cli.run import main as run
from hoibench.datasets.folder import read_clip, write_clip
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.references import build_reference
from hoibench.methods.predictions import write_prediction

pytestmark = pytest.mark.usefixtures("toy")

TOY = ("--dataset", "toy", "--metrics", "rpe,chamfer", "--limit", "2", "--workers", "1")


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
    assert "rpe@1" in shown
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


def test_dry_run_touches_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run([*TOY[:2], "--metrics", "all", "--method", "still", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "units" in said
    assert "aliked-n16" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "stll"], "unknown method 'stll': did you mean still"),
        (["--method", "still", "--metrics", "rpe,chamfr"], "unknown metric 'chamfr': did you mean chamfer@1"),
        (["--method", "still", "--split", "dmo"], "unknown split 'dmo': did you mean demo?"),
        (["--method", "still", "--dataset", "synthtic"], "unknown data set 'synthtic': did you mean synthetic?"),
        (["--method", "still", "--root", "nowhere"], "nowhere: no such folder"),
        (["--method", "mine=nowhere"], "nowhere is no folder of predictions"),
        (["--adapter", "none.py:A"], "none.py is no file"),
        (["--config", "none.toml"], "none.toml: no such file"),
        ([], "no method: give --method NAME"),
    ],
)
def test_usage_errors_name_the_value_and_the_fix(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    assert run(["--dataset", "toy", *words]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_score_takes_folders_of_ones_own(tmp_path, capsys):
    dataset = open_dataset("toy", None)
    for entry in dataset.manifest("demo").entries[:2]:
        clip = dataset.load(entry)
        write_clip(tmp_path / "truth" / clip.id, clip)
        write_prediction(tmp_path / "pred" / clip.id, build_reference("gt_scaled_0.9", clip, 0), clip.fps)
    words = ["score", "--pred", str(tmp_path / "pred"), "--truth", str(tmp_path / "truth"), "--metrics", "rpe"]
    assert main([*words, "--out", str(tmp_path / "rows.parquet"), "--json"]) == 0
    values = [json.loads(line)["rows"][0]["value"] for line in capsys.readouterr().out.splitlines()]
    assert np.allclose(values, 10, atol=1e-4)
    assert len(pd.read_parquet(tmp_path / "rows.parquet")) == 2 * 3
    (tmp_path / "pred" / "clip_1" / "tracks.npz").write_bytes(b"PK")
    assert main(words) == 3
    told = capsys.readouterr()
    assert "failed  clip_1" in told.err
    assert "tracks.npz is not a whole npz file" in told.err
    assert "clip_0\n  rpe@1" in told.out


def test_a_clip_folder_round_trips(tmp_path):
    dataset = open_dataset("toy", None)
    clip = dataset.load(dataset.manifest("demo").entries[0])
    write_clip(tmp_path / clip.id, clip)
    back = read_clip(tmp_path / clip.id)
    assert np.array_equal(back.tracks.world, clip.tracks.world)
    assert np.array_equal(back.tracks.visible, clip.tracks.visible)
    assert all(
        np.array_equal(a.R, b.R) and np.array_equal(a.K, b.K) for a, b in zip(back.cameras, clip.cameras, strict=True)
    )
    assert back.video.shape == clip.video.shape
    (tmp_path / clip.id / "clip.json").write_text("{}")
    with pytest.raises(ValueError, match=r"clip\.json does not describe a clip \(KeyError"):
        read_clip(tmp_path / clip.id)


def test_a_truth_folder_must_hold_clips(tmp_path, capsys):
    assert main(["score", "--pred", str(tmp_path), "--truth", str(tmp_path)]) == 2
    assert "no clips here" in capsys.readouterr().err
