from dataclasses import replace

import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.clip import Camera
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.point_sets import PointSet
from hoibench.metrics.reprojection import pixel_error, reproj_px
from hoibench.metrics.true_tracks import world_to_cameras

TENTH_OF_DIAGONAL = 0.1 * np.hypot(128, 192)


@pytest.fixture(scope="module")
def scene(build_clip):
    clip = build_clip(frames=3, points=8)
    tracks = clip.tracks
    return tracks.world.astype(float), clip.cameras, tracks.visible & tracks.visible[:, :1]


@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.02, 1.5]))
def test_equal_to_plain_loops(seed, spread, scene):
    world, cameras, _ = scene
    rng = np.random.default_rng(seed)
    X = world_to_cameras(world, cameras)
    P = X + rng.normal(0.0, spread, X.shape)
    m, valid = rng.random(X.shape[:3]) < 0.7, rng.random(X.shape[:3]) < 0.8
    m[:2, 0, 0] = True
    assert reproj_px(P, world, cameras, m, valid) == pytest.approx(
        plain_motion.reprojection(P, world, cameras, m, valid), rel=1e-9
    )


def test_by_hand():
    """Two cameras side by side, focal length 200 px, an error of 1 cm at 2 m: one pixel, in both directions."""
    K = np.array([[200.0, 0.0, 95.5], [0.0, 200.0, 63.5], [0.0, 0.0, 1.0]])
    cameras = [Camera(K, np.eye(3), np.array([dx, 0.0, 0.0]), (128, 192)) for dx in (0.0, -0.1)]
    world = np.array([[[0.05, 0.0, 2.0]]])
    P = world_to_cameras(world + np.array([0.0, 0.01, 0.0]), cameras)
    assert reproj_px(P, world, cameras, np.ones((2, 1, 1), dtype=bool)) == pytest.approx(1.0)


def test_the_truth_has_no_reprojection_error(scene):
    world, cameras, m = scene
    assert reproj_px(world_to_cameras(world, cameras), world, cameras, m) == pytest.approx(0, abs=1e-9)


def test_points_behind_the_camera_or_missing_score_a_tenth_of_the_diagonal(scene):
    world, cameras, m = scene
    X = world_to_cameras(world, cameras)
    assert reproj_px(-3 * X, world, cameras, m) == pytest.approx(TENTH_OF_DIAGONAL)
    assert reproj_px(X, world, cameras, m, np.zeros_like(m)) == pytest.approx(TENTH_OF_DIAGONAL)


def test_the_penalty_depends_on_the_image_that_is_projected_into(scene):
    """Only view 0 has no prediction; its points are projected into views 1 and 2, whose images have another size."""
    world, cameras, _ = scene
    sizes = ((100, 100), (300, 400), (300, 400))
    cameras = [replace(camera, size=size) for camera, size in zip(cameras, sizes, strict=True)]
    X = world_to_cameras(world, cameras)
    valid = np.ones(X.shape[:3], bool)
    valid[0] = False
    error = pixel_error(PointSet(X, valid), X, cameras)  # pairs (0, 1), (0, 2), (1, 0), ...
    assert error[:2] == pytest.approx(50.0) and error[2:] == pytest.approx(0.0, abs=1e-9)
    valid[:] = [[[True]], [[False]], [[False]]]
    error = pixel_error(PointSet(X, valid), X, cameras)
    assert [round(float(e.mean()), 6) for e in error] == [
        0,
        0,
        round(np.hypot(10, 10), 6),
        50,
        round(np.hypot(10, 10), 6),
        50,
    ]


def test_one_view_is_an_error_and_no_shared_point_is_undefined(scene):
    world, cameras, m = scene
    X = world_to_cameras(world, cameras)
    with pytest.raises(ValueError, match="at least two views"):
        reproj_px(X[:1], world, cameras[:1], m[:1])
    with pytest.raises(Undefined, match="no true point is visible in two views"):
        reproj_px(X, world, cameras, np.zeros_like(m))
