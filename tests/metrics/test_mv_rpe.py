from dataclasses import replace

import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.clip import Camera
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.mv_rpe import (
    mv_pi_scene,
    mv_pi_world,
    mv_rpe_scene,
    mv_rpe_world,
    mv_rpe_world_uncapped,
    origin_id,
    scene_error,
    world_error,
)
from hoibench.metrics.point_sets import PointSet
from hoibench.metrics.true_tracks import scene_size, world_to_cameras

seeds = st.integers(0, 2**32 - 1)
AWAY = np.array([0.0, 0.0, 1.5])  # metres from the camera


def rotation(rng):
    Q = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return Q * np.sign(np.linalg.det(Q))


def scene(seed, moving=False, views=2, frames=3, points=5):
    rng = np.random.default_rng(seed)
    world = rng.normal(0.0, 0.2, (frames, points, 3))
    cameras = []
    for _ in range(views):
        R = np.stack([rotation(rng) for _ in range(frames)])
        t = rng.normal(0.0, 0.2, (frames, 3)) + AWAY
        cameras.append(Camera(np.diag([300.0, 300.0, 1.0]), R if moving else R[0], t if moving else t[0], (128, 192)))
    X = world_to_cameras(world, cameras)
    P = X + rng.normal(0.0, 0.05, X.shape)
    mask = rng.random(X.shape[:3]) < 0.7
    mask[0, 0, 0] = True
    return P, world, cameras, mask, rng.random(X.shape[:3]) < 0.8


@given(seed=seeds, moving=st.booleans())
def test_equal_to_plain_loops(seed, moving):
    P, world, cameras, m, valid = scene(seed, moving)
    by_scene = plain_motion.world_errors(P, world, cameras, m, valid, "scene")
    by_norm = plain_motion.world_errors(P, world, cameras, m, valid, "norm")
    case = (P, world, cameras, m, valid)
    assert mv_rpe_scene(*case) == pytest.approx(plain_motion.percent(by_scene), rel=1e-9)
    assert mv_pi_scene(*case) == pytest.approx(plain_motion.inliers(by_scene, 0.25), rel=1e-9)
    assert mv_rpe_world(*case) == pytest.approx(plain_motion.percent(by_norm), rel=1e-9)
    assert mv_pi_world(*case) == pytest.approx(plain_motion.inliers(by_norm, 0.25), rel=1e-9)
    literal = plain_motion.world_errors(P, world, cameras, m, valid, "norm", cap=np.inf, missing=1.0)
    assert mv_rpe_world_uncapped(*case) == pytest.approx(plain_motion.percent(literal), rel=1e-9)


@given(seed=seeds, moving=st.booleans())
def test_the_change_of_frame_is_rigid(seed, moving, predict):
    """|W_v(P) - X_w| = |P - X|, so that mv_* is rpe with another divisor, as the cards say."""
    P, world, cameras, _, _ = scene(seed, moving)
    pred = PointSet(P, np.ones(P.shape[:3], dtype=bool))
    in_camera = np.linalg.norm(P - world_to_cameras(world, cameras), axis=-1)
    assert scene_error(pred, world, cameras) * scene_size(world) == pytest.approx(in_camera, abs=1e-12)
    divisor = np.maximum(np.linalg.norm(world, axis=-1), 0.01)
    assert world_error(pred, world, cameras) * divisor == pytest.approx(in_camera, abs=1e-12)


def test_the_truth_scores_zero_and_an_empty_prediction_three_scenes():
    _, world, cameras, m, _ = scene(0)
    X = world_to_cameras(world, cameras)
    assert mv_rpe_scene(X, world, cameras, m) == pytest.approx(0, abs=1e-10)
    assert mv_pi_scene(X, world, cameras, m) == 100
    assert mv_rpe_scene(X, world, cameras, m, np.zeros_like(m)) == 300
    assert mv_rpe_world(X, world, cameras, m, np.zeros_like(m)) == 300
    assert mv_rpe_world_uncapped(X, world, cameras, m, np.zeros_like(m)) == 100
    assert mv_rpe_scene(X + 9.0, world, cameras, m) == 300
    assert mv_pi_world(X, world, cameras, m, np.zeros_like(m)) == 0


@given(seed=seeds)
def test_moving_the_world_origin_changes_only_the_world_metrics(seed):
    P, world, cameras, m, valid = scene(seed)
    rng = np.random.default_rng(seed)
    G, shift = rotation(rng), np.array([3.0, -2.0, 1.0])
    moved = world @ G.T + shift
    new_cameras = [Camera(c.K, c.R @ G.T, c.t - c.R @ G.T @ shift, c.size) for c in cameras]
    assert mv_rpe_scene(P, moved, new_cameras, m, valid) == pytest.approx(
        mv_rpe_scene(P, world, cameras, m, valid), rel=1e-9
    )
    everywhere = np.ones_like(m)
    assert mv_rpe_world(P, moved, new_cameras, m, everywhere) < mv_rpe_world(P, world, cameras, m, everywhere)
    assert origin_id(new_cameras) != origin_id(cameras)


def test_the_origin_id_depends_on_every_camera_pose_to_four_digits():
    cameras = scene(4, moving=True)[2]
    first, last = cameras

    def moved(camera, **change):
        return origin_id([first, replace(camera, **change)])

    assert moved(last) == origin_id(cameras) == moved(last, t=last.t + 1e-7) == moved(last, R=last.R + 1e-7)
    turn = np.array([[np.cos(0.002), -np.sin(0.002), 0.0], [np.sin(0.002), np.cos(0.002), 0.0], [0.0, 0.0, 1.0]])
    others = {moved(last, t=last.t + 1e-3), moved(last, R=last.R @ turn), origin_id([last, first]), origin_id([first])}
    assert len(others | {origin_id(cameras)}) == 5


def test_the_least_divisor_is_one_centimetre():
    _, world, cameras, m, _ = scene(5)
    world = np.where(np.arange(world.shape[1])[:, None] == 0, 0.0, world)
    X = world_to_cameras(world, cameras)
    error = world_error(PointSet(X + np.array([0.0, 0.0, 0.02]), np.ones_like(m)), world, cameras)
    assert error[..., 0] == pytest.approx(2.0)


def test_scaling_one_view_raises_the_error():
    _, world, cameras, m, _ = scene(1)
    X = world_to_cameras(world, cameras)
    X[1] *= 1.2
    assert mv_rpe_scene(X, world, cameras, np.ones_like(m)) > 1


def test_scene_size_by_hand():
    square = np.array([[[0, 0, 0], [2, 0, 0]], [[0, 2, 0], [2, 2, 0]]], dtype=float)
    assert scene_size(square) == pytest.approx(np.sqrt(2))
    assert scene_size(square + 7) == pytest.approx(np.sqrt(2))
    assert scene_size(square) == pytest.approx(plain_motion.scene_size(square))


def test_a_scene_without_extent_is_undefined():
    P, world, cameras, m, _ = scene(2)
    with pytest.raises(Undefined, match="all true points coincide"):
        mv_rpe_scene(P, np.ones_like(world), cameras, m)


def test_cameras_must_be_one_a_view():
    P, world, cameras, m, _ = scene(3)
    with pytest.raises(ValueError, match="pred has shape"):
        mv_rpe_scene(P, world, cameras[:1], m)
