"""Hostile and wrong predictions are refused with a reason, or read, by a process with limits."""

import os
import shutil

import numpy as np
import pytest
from hostile_predictions import (
    ACCEPTED,
    RECORDS,
    TRACKS,
    VIDEOS,
    change_arrays,
    change_video,
    set_values,
    write_variable_rate,
)  # fmt: skip
from submission_files import SPEC

from hoibench.datasets.base import Grid
from hoibench.submissions.limited import LimitedProcess, LimitExceeded
from hoibench.submissions.prediction_check import check_prediction, find_rate_problems

GRID = Grid(views=2, frames=6, size=(32, 48), points=40, fps=8.0)


@pytest.fixture
def changed(complete, tmp_path, monkeypatch):
    """Return a function that makes a changed copy of a prediction, in a submission of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    shutil.copyfile(complete / "submission.toml", tmp_path / "mine" / "submission.toml")

    def change(case, function):
        folder = tmp_path / "mine" / case.replace(" ", "_").replace(",", "")
        shutil.copytree(complete / "seed-0" / "clip_1", folder)
        (folder / "prediction.json").unlink()
        function(folder)
        return folder

    return change


def _check(process, folder):
    try:
        return [str(problem) for problem in process.call(check_prediction, folder, SPEC, folder.parent, GRID).problems]
    except LimitExceeded as error:
        return [f"{folder} {error}"]


@pytest.mark.parametrize("cases", [TRACKS, VIDEOS, RECORDS], ids=["tracks", "videos", "records"])
def test_hostile_predictions_are_refused(changed, tmp_path, cases):
    wrong = {}
    with LimitedProcess() as process:
        for case, (function, message) in cases.items():
            folder = changed(case, function)
            found = _check(process, folder)
            if not any(message in line and str(folder) in line for line in found):
                wrong[case] = found
    assert wrong == {}
    assert sorted(os.listdir(tmp_path)) == ["mine"]  # no code has run


def test_a_changed_file_is_one_problem_and_hides_no_other(changed, complete):
    record = complete / "seed-0" / "clip_1" / "prediction.json"

    def damage(folder):
        shutil.copyfile(record, folder / "prediction.json")
        change_arrays(tracks=set_values(np.nan, 1, 2, 3))(folder)
        (folder / "view-1.mp4").unlink()

    def cut(folder):
        shutil.copyfile(record, folder / "prediction.json")
        data = (folder / "view-0.mp4").read_bytes()
        (folder / "view-0.mp4").write_bytes(data[: len(data) // 2])

    with LimitedProcess() as process:
        (missing, nan), (truncated,) = (_check(process, changed(*case)) for case in (("damaged", damage), ("cut", cut)))
    assert "view-1.mp4 is missing, but prediction.json lists it" in missing
    assert "tracks have NaN" in nan
    assert "truncated" in truncated and "prediction.json" not in truncated


def test_unusual_predictions_are_read(changed):
    with LimitedProcess() as process:
        found = {case: _check(process, changed(case, function)) for case, function in ACCEPTED.items()}
    assert found == {case: [] for case in ACCEPTED}


def test_frame_rates_are_compared(changed):
    right, other = changed("right", lambda folder: None), changed("other", change_video(fps=25.0))
    variable, lossless = changed("variable", write_variable_rate), changed("lossless", change_video(codec="ffv1"))
    found = [[str(p) for p in find_rate_problems(folder, 8.0)] for folder in (right, lossless, other, variable)]
    fix = "encode the frames at 8 frames per second"
    assert found == [
        [], [],
        [f"{other}/view-0.mp4 has 25 frames per second, expected 8: {fix}"],
        [f"{variable}/view-0.mp4 has a variable frame rate, expected 8 frames per second: {fix}"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (np.full((2, 6, 4, 6, 3), 2), "points has dtype int64, expected a floating-point dtype"),
        (np.full((2, 6, 4, 6, 3), "x"), "points has dtype <U1"),
        (np.full((2, 6, 4, 6, 3), 1e30), "points have 432 coordinates over 1e+06 in view 0: set them to NaN"),
        (np.full((2, 5, 4, 6, 3), 1.0), "points has shape (2, 5, 4, 6, 3), expected (2, 6, any, any, 3)"),
        (np.full((2, 6, 4, 6, 3), np.nan, np.float16), None),
        (np.full((2, 6, 4, 6, 3), np.inf), None),
    ],
)
def test_point_maps_are_checked(tmp_path, points, message):
    spec = SPEC.model_copy(update={"outputs": ("points",), "pairing": "oracle-projection"})
    np.savez(tmp_path / "tracks.npz", points=points)
    problems = check_prediction(tmp_path, spec, tmp_path, GRID).problems
    assert not problems if message is None else message in str(problems[0])
