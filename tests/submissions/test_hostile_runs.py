"""Runs of hostile predictions: each fails with its reason or is scored, and nothing is written outside the run."""

import shutil

import pytest
from hostile_predictions import TRACKS, VIDEOS, change_arrays
from toy_runs import headline_rows, run_toy

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.preflight import preflight

pytestmark = pytest.mark.usefixtures("toy")

HOSTILE = {
    "clip_0": TRACKS["pickled array"],
    "clip_1": VIDEOS["frames larger than the header"],
    "clip_2": TRACKS["NaN in tracks"],
    "clip_3": VIDEOS["list of files"],
}


def _swap_views(folder):
    (folder / "view-0.mp4").rename(folder / "first.mp4")
    (folder / "view-1.mp4").rename(folder / "view-0.mp4")
    (folder / "first.mp4").rename(folder / "view-1.mp4")
    change_arrays(tracks=lambda array: array[::-1], anchors=lambda array: array[::-1])(folder)


def test_hostile_predictions_fail_and_others_are_scored(submission, tmp_path):
    changed = shutil.copytree(submission, tmp_path / "changed")
    for folder in changed.glob("*/*"):
        (folder / "prediction.json").unlink()
    for clip, (function, _) in HOSTILE.items():
        function(changed / "seed-0" / clip)
    _swap_views(changed / "seed-0" / "clip_4")
    before = sorted(tmp_path.rglob("*"))
    outcome, _ = run_toy(tmp_path / "run", method=(f"mine={changed}", f"right={submission}"), metrics="rpe")
    assert {path for path in tmp_path.rglob("*") if tmp_path / "run" not in (path, *path.parents)} == set(before)
    reasons = {failure.unit.rsplit("/")[-1]: failure.reason for failure in outcome.failures}
    assert [clip for clip in HOSTILE if HOSTILE[clip][1] not in reasons.get(clip, "")] == []
    rows = headline_rows(tmp_path / "run")
    values = {name: rows.loc[name, "value"].droplevel(["seed", "metric"]) for name in ("mine", "right")}
    assert values["mine"].isna().to_dict() == {f"clip_{n}": n < 4 for n in range(6)}
    assert values["mine"]["clip_5"] == values["right"]["clip_5"]
    assert values["mine"]["clip_4"] > values["right"]["clip_4"]  # the views are scored in the order given


def test_a_submission_for_another_split_cannot_start(submission):
    text = (submission / "submission.toml").read_text()
    (submission / "submission.toml").write_text(text.replace("0123456789ab", "000000000000"))
    dataset = open_dataset("toy", None)
    config = RunConfig(dataset="toy", method=(f"mine={submission}",), metrics="rpe", executor="inline")
    findings = preflight(make_plan(config, dataset, "cpu"), dataset)
    (problem,) = findings.cannot_start["mine"]
    assert "is for toy@1/demo with the id 000000000000" in str(problem)
