"""rpe@1 and pi@1 of point maps equal the authors' own evaluations of GeometryCrafter and MotionCrafter, restated in support/."""

from pathlib import Path

import numpy as np
import plain_point_protocols as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.clip import Camera, Clip, Prediction, Tracks, View
from hoibench.geometry.point_maps import points_from_depth
from hoibench.geometry.projection import to_camera, to_world
from hoibench.metric_card import all_cards
from hoibench.metrics.case import Case

PAGE = Path(__file__).parents[2] / "docs" / "scoring.md"
FRAMES, SIZE = 4, (8, 12)
K = np.array([[14.0, 0, 5.5], [0, 14.0, 3.5], [0, 0, 1]])


def turned(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def scene(seed, moving):
    """A video whose true points are the surface at every pixel of every frame, and a distorted map of it.

    Returns the clip, the true maps in camera space as the clip gives them, its mask, camera-to-world poses, and the predicted maps.
    """
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-0.3, 0.3, FRAMES) if moving else np.repeat(rng.uniform(-0.3, 0.3), FRAMES)
    R = np.stack([turned(angle) for angle in angles])
    t = rng.normal(0.0, 0.2, (FRAMES, 3)) if moving else np.repeat(rng.normal(0.0, 0.2, (1, 3)), FRAMES, axis=0)
    camera = Camera(K, R, t, SIZE) if moving else Camera(K, R[0], t[0], SIZE)
    depth = rng.uniform(0.8, 2.0, (FRAMES, *SIZE))
    world = to_world(points_from_depth(depth, K).reshape(FRAMES, -1, 3), R, t).astype(np.float32)
    mask = rng.random((FRAMES, *SIZE)) < 0.6
    mask[0], mask[:, 0, 0] = True, True  # a true point counts only if it is seen in frame 0
    clip = Clip(
        id="maps", triplet=None, prompt=None, views=(View("view", camera=camera),), source_views=(), fps=8.0, frames=FRAMES, size=SIZE,
        tracks=Tracks(world, mask.reshape(1, FRAMES, -1), np.zeros(world.shape[1], np.uint8)),
    )  # fmt: skip
    truth = to_camera(world.astype(np.float64), R, t).reshape(FRAMES, *SIZE, 3)
    poses = np.tile(np.eye(4), (FRAMES, 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = R.mT, -(R.mT @ t[..., None])[..., 0]
    pred = rng.uniform(0.2, 3.0) * (truth + rng.normal(0.0, 0.15, truth.shape)) + rng.normal(0.0, [0.1, 0.1, 0.3])
    pred[..., 2] = np.maximum(pred[..., 2], 1e-3)  # a position behind the camera would not be an answer
    return clip, truth, mask, poses, pred.astype(np.float32)


def score(clip, pred, scale):
    case = Case(Prediction(points=pred[None], scale=scale), clip, pairing="oracle-projection")
    rows = {metric: list(all_cards()[metric].load()(case))[-1] for metric in ("rpe@1", "pi@1")}
    assert {row.alignment for row in rows.values()} == {scale}
    return rows["rpe@1"].value, rows["pi@1"].value


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), moving=st.booleans())
def test_point_maps_score_as_in_the_authors_evaluations(seed, moving):
    clip, truth, mask, poses, pred = scene(seed, moving)
    maps = pred.astype(np.float64)
    expected = {
        "per_view": plain.geometrycrafter(maps, truth, mask),
        "scale_shift": plain.motioncrafter(maps, truth, mask, poses),
    }
    for scale, (error, inliers) in expected.items():
        rpe, share = score(clip, pred, scale)
        assert rpe / 100 == pytest.approx(error, abs=1e-6)
        assert share / 100 == pytest.approx(inliers, abs=1e-6)


def test_the_divisor_of_a_shifted_alignment_is_the_distance_from_the_first_camera():
    clip, truth, mask, _, pred = scene(1, moving=True)
    in_camera = plain.motioncrafter(pred.astype(np.float64), truth, mask, np.tile(np.eye(4), (FRAMES, 1, 1)))[0]
    assert abs(score(clip, pred, "scale_shift")[0] / 100 - in_camera) > 1e-3


@pytest.mark.parametrize("moving", [False, True])
def test_the_lines_of_the_documentation_give_the_same_numbers(moving):
    _, truth, mask, poses, pred = scene(2, moving)
    camera_from_first = np.linalg.inv(poses) @ poses[0]
    arrays = {
        "pred": pred.astype(np.float64).reshape(1, FRAMES, -1, 3),
        "truth": truth.reshape(1, FRAMES, -1, 3),
        "mask": mask.reshape(1, FRAMES, -1),
        "camera": Camera(K, camera_from_first[:, :3, :3], camera_from_first[:, :3, 3], SIZE),
    }
    (lines,) = [text for text in PAGE.read_text().split("```") if "fit_scale_shift(pred, truth" in text]
    exec(lines.removeprefix("python"), arrays)
    expected = {
        "geometrycrafter": plain.geometrycrafter(pred.astype(np.float64), truth, mask),
        "motioncrafter": plain.motioncrafter(pred.astype(np.float64), truth, mask, poses),
    }
    for name, shares in expected.items():
        assert arrays[name] == pytest.approx([100 * share for share in shares], abs=1e-6)
