import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.measurement import Undefined
from hoibench.metrics.mv_rpe import mv_rpe_scene
from hoibench.metrics.true_tracks import scene_size, world_to_cameras
from hoibench.metrics.xv_rpe import ordered_pairs, true_in_both_views, xv_pi, xv_rpe

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def scene(build_clip):
    clip = build_clip(frames=3, points=8)
    tracks = clip.tracks
    return tracks.world.astype(float), clip.cameras, tracks.visible & tracks.visible[:, :1]


@given(seed=seeds)
def test_equal_to_plain_loops(seed, scene):
    world, cameras, _ = scene
    rng = np.random.default_rng(seed)
    X = world_to_cameras(world, cameras)
    P = X + rng.normal(0.0, 0.05, X.shape)
    m, valid = rng.random(X.shape[:3]) < 0.7, rng.random(X.shape[:3]) < 0.8
    m[:2, 0, 0] = True
    errors = plain_motion.disagreement_errors(P, world, cameras, m, valid)
    assert xv_rpe(P, world, cameras, m, valid) == pytest.approx(plain_motion.percent(errors), rel=1e-9)
    assert xv_pi(P, world, cameras, m, valid) == pytest.approx(plain_motion.inliers(errors, 0.25), rel=1e-9)


def test_all_ordered_pairs_are_compared():
    assert list(zip(*ordered_pairs(3), strict=True)) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    mask = np.array([[[True, True]], [[True, False]], [[False, True]]])
    assert true_in_both_views(mask).tolist() == [
        [[True, False]],
        [[False, True]],
        [[True, False]],
        [[False, False]],
        [[False, True]],
        [[False, False]],
    ]


def test_equal_errors_agree_and_different_errors_raise_only_this_metric(scene):
    """Shift three views by 5 cm, in one direction or in three: mv_rpe is equal, xv_rpe is 0 or positive."""
    world, cameras, m = scene
    shifts = 0.05 * np.eye(3)
    same = world_to_cameras(world + shifts[0], cameras)
    different = np.stack([world_to_cameras(world + shift, cameras)[v] for v, shift in enumerate(shifts)])
    assert mv_rpe_scene(same, world, cameras, m) == pytest.approx(mv_rpe_scene(different, world, cameras, m), rel=1e-9)
    assert xv_rpe(same, world, cameras, m) == pytest.approx(0, abs=1e-9)
    # the distance between two unit axes is sqrt(2)
    assert xv_rpe(different, world, cameras, m) == pytest.approx(100 * 0.05 * np.sqrt(2) / scene_size(world), rel=1e-9)


def test_a_point_missing_in_either_view_or_far_off_scores_three(scene):
    world, cameras, m = scene
    X = world_to_cameras(world, cameras)
    valid = np.ones_like(m)
    valid[0] = False
    assert xv_rpe(X, world, cameras, np.ones_like(m), valid) == pytest.approx(300 * 4 / 6)
    assert xv_pi(X, world, cameras, np.ones_like(m), valid) == pytest.approx(100 * 2 / 6)
    far = X + 100.0 * (np.arange(3) == 0)[:, None, None, None]
    assert xv_rpe(far, world, cameras, np.ones_like(m)) == pytest.approx(300 * 4 / 6)


@given(seed=seeds)
def test_the_order_of_views_does_not_matter(seed, scene):
    world, cameras, m = scene
    rng = np.random.default_rng(seed)
    P = world_to_cameras(world, cameras) + rng.normal(0.0, 0.05, (*m.shape, 3))
    order = rng.permutation(3)
    other = xv_rpe(P[order], world, [cameras[v] for v in order], m[order])
    assert other == pytest.approx(xv_rpe(P, world, cameras, m), rel=1e-12)


def test_one_view_is_an_error_and_no_shared_point_is_undefined(scene):
    world, cameras, m = scene
    X = world_to_cameras(world, cameras)
    with pytest.raises(ValueError, match="at least two views"):
        xv_rpe(X[:1], world, cameras[:1], m[:1])
    alone = np.zeros_like(m)
    alone[0] = True
    with pytest.raises(Undefined):
        xv_rpe(X, world, cameras, alone)
