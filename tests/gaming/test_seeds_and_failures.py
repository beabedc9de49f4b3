"""Cheats with clips, seeds and families: failing on purpose, one seed as three, and a generative method that calls itself a reconstruction."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from disk_cache import CODE, cached_folder
from gaming import CLIPS, Truth, cheat, check_cheat, read_board, row_of, run_predictions, write_predictions

from hoibench.plugins import SPEC_FILE
from hoibench.predictions import read_prediction, write_prediction

SEEDS = (0, 1, 2)


def answers(truth: Truth):
    """The truth with 1 cm of noise, without an answer for 15 % of the points."""
    valid = truth.rng.random(truth.seen.shape) > 0.15
    return truth.tracks(truth.X + truth.noise(0.01), valid=valid)


@cheat(answers)
def fails(truth: Truth):
    """The same, and no answer at all for every second clip."""
    return None if CLIPS.index(truth.clip.id) % 2 else answers(truth)


def draws(truth: Truth):
    """A video and points, as a generative method gives."""
    return replace(answers(truth), video=truth.video)


@pytest.fixture(scope="module", params=[2, pytest.param(6, marks=pytest.mark.slow)], ids="{} clips".format)
def clips(request):
    return request.param


@pytest.fixture(scope="module")
def board(clips, demo_root):
    def build(folder):
        folders = write_predictions(folder / "predictions", [answers, fails.make, draws], demo_root, clips)
        for name in ("three_seeds", "copied_seed"):
            for seed in SEEDS:
                shutil.copytree(folders["answers"], folder / name / f"seed-{seed}")
            shutil.move(folder / name / "seed-0" / SPEC_FILE, folder / name)
            folders[name] = folder / name
        for seed in SEEDS:
            move_points(folder / "three_seeds" / f"seed-{seed}", seed)
        for name in ("answers", "fails", "draws"):
            text = (folders[name] / SPEC_FILE).read_text()
            (folders[name] / SPEC_FILE).write_text(text.replace("i2v", "vto4r").replace("ito4g", "vto4r"))
        run_predictions(folder / "run", folders, demo_root, clips, seed=SEEDS, metrics="rpe,chamfer,mv_rpe_scene")

    return read_board(cached_folder("gaming-seeds", f"{clips} clips", build, (*CODE, "tests/gaming")) / "run")


def move_points(folder, seed):
    """Give stored predictions the noise of a seed."""
    for path in folder.glob("*/tracks.npz"):
        stored = read_prediction(path.parent)
        noise = np.random.default_rng(seed).normal(0, 0.01, stored.tracks.shape)
        write_prediction(path.parent, replace(stored, tracks=(stored.tracks + noise).astype(np.float32)), fps=8.0)


def reasons(board, name):
    """Return the reasons why a method is not ranked in the ranked columns."""
    m = row_of(board, name)
    return {board.cells[m, n].standing.unranked for n, column in enumerate(board.columns) if column.card.is_ranked}


def test_failing_on_purpose(board):
    check_cheat(board, fails)
    assert reasons(board, "answers") == reasons(board, "fails") == {None}


def test_one_seed_copied_to_three(board):
    assert board.rows[row_of(board, "three_seeds")].seeds == 3
    assert reasons(board, "three_seeds") == {None}
    assert board.rows[row_of(board, "copied_seed")].seeds == 1
    assert all(reason.startswith("1 seed;") for reason in reasons(board, "copied_seed"))


def test_a_generative_method_that_calls_itself_a_reconstruction(board):
    assert reasons(board, "answers") == {None}  # vto4r without video
    assert all(reason.startswith("1 seed;") for reason in reasons(board, "draws"))
