"""``--dry-run``."""

import json
from dataclasses import replace

import pytest

from hoibench.cli import dry_run
from hoibench.cli.run import main as run
from hoibench.datasets.base import Grid
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation import plan as plans
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan

pytestmark = pytest.mark.usefixtures("toy")

TOY = ("--dataset", "toy", "--metrics", "rpe,matching_pixels/aliked-mnn", "--method", "still", "--limit", "2")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    return tmp_path


@pytest.fixture
def estimate():
    """The needs of a run of two clips on a grid of 3 x 10 frames of 4 x 6 pixels and 5 points."""

    def of(**outputs):
        dataset = open_dataset("toy", None)
        plan = make_plan(RunConfig(dataset="toy", method=("still",), metrics="rpe", limit=2), dataset, "cpu")
        (still,) = (entrant for entrant in plan.entrants if entrant.key == "still")
        plan = replace(plan, entrants=(replace(still, spec=still.spec.model_copy(update=outputs)),))
        dataset.grid = Grid(views=3, frames=10, size=(4, 6), points=5)
        return dry_run.estimate(plan, dataset)

    return of


def test_json_output_and_no_files_written(folder, capsys):
    assert run([*TOY, "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["split"], facts["clips"], facts["units_done"]) == ("toy@1/demo", 2, 0)
    assert facts["seconds_left"] is None
    assert facts["weights"] == {"aliked-n16": None}
    assert "fetch aliked-n16" in facts["warnings"][0]
    assert not list(folder.iterdir())


def test_text_output(capsys):
    assert run([*TOY, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "clips      2" in text
    assert "aliked-n16: missing" in text
    assert "fetch aliked-n16" in text


def test_existing_predictions_give_the_time(capsys):
    assert run([*TOY, "--metrics", "rpe", "--workers", "1", "--out", "r"]) == 0
    capsys.readouterr()
    assert run([*TOY, "--metrics", "rpe", "--out", "r", "--dry-run", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["units_done"] == facts["units"] > 2
    assert facts["seconds_left"] == 0


def test_disk_is_bounded_by_videos_and_tracks(estimate):
    facts = estimate()
    assert facts["units"] == 2
    assert facts["max_bytes"] == 2 * 3 * 10 * (4 * 6 * 3 + 5 * (12 + 1))
    assert facts["methods_with_points_or_masks"] == []
    text = dry_run.format_facts(facts | {"problems": [], "warnings": []})
    assert "GB of videos and tracks (their uncompressed size);" in text
    assert "point maps" not in text


def test_point_maps_and_masks_are_mentioned_separately(estimate):
    facts = estimate(outputs=("video", "points"))
    text = dry_run.format_facts(facts | {"problems": [], "warnings": []})
    assert "videos and tracks (their uncompressed size), plus the point maps and masks of still;" in text


def test_all_problems_are_shown_at_once(folder, capsys):
    (folder / "mine" / "clip_1").mkdir(parents=True)
    (folder / "mine" / "clip_1" / "view-0.mp4").touch()
    (folder / "r").touch()
    words = ["--dataset", "toy", "--metrics", "matching_pixels/aliked-mnn", "--method", "mine=mine", "--out", "r"]
    assert run([*words, "--dry-run", "--json"]) == 2
    facts = json.loads(capsys.readouterr().out)
    assert facts["problems"][0] == f"--out {folder / 'r'} is a file: give another --out"
    assert facts["problems"][1].startswith(f"--method mine={folder / 'mine'} lacks 5 of 6 predictions")
    assert facts["warnings"][0].startswith("aliked-n16 is missing: ")
    assert run([*words, "--dry-run"]) == 2
    text = capsys.readouterr().out
    assert (text.count("problem    "), text.count("warning    ")) == (len(facts["problems"]), 1) == (2, 1)


def test_a_run_that_cannot_be_resumed_is_a_problem(capsys):
    words = ["--dataset", "toy", "--method", "still", "--limit", "2", "--workers", "1", "--out", "r"]
    assert run([*words, "--metrics", "rpe"]) == 0
    capsys.readouterr()
    assert run([*words, "--metrics", "chamfer", "--dry-run", "--json"]) == 2
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "/r cannot be resumed" in problem
    assert "metrics: without rpe@2; with chamfer@2" in problem


def test_each_prediction_is_checked_once(estimate, monkeypatch):
    looked = []
    monkeypatch.setattr(plans, "is_complete", lambda folder: looked.append(folder))
    estimate()
    assert len(looked) == len(set(looked)) == 2
