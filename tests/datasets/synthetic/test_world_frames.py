import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.datasets.synthetic.cameras import TRIO, build_camera
from hoibench.datasets.synthetic.world_frames import recording_dates, world_frame
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.geometry import to_camera

FRAMES = pytest.mark.parametrize("date", recording_dates())


def test_the_two_frames_differ_in_origin_and_yaw():
    first, second = (world_frame(date) for date in recording_dates())
    assert np.linalg.norm(first.t - second.t) > 0.5
    assert np.abs(first.R - second.R).max() > 0.5
    # z is up in both.
    np.testing.assert_allclose([first.R[2], second.R[2]], [[0, 0, 1], [0, 0, 1]], atol=1e-12)


@FRAMES
@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_camera_sees_the_same_in_every_frame(date, seed):
    points = np.random.default_rng(seed).normal(size=(50, 3))
    frame = world_frame(date)
    for camera in map(build_camera, TRIO):
        moved = frame.transform_camera(camera)
        seen = to_camera(frame.transform_points(points), moved.R, moved.t)
        np.testing.assert_allclose(seen, to_camera(points, camera.R, camera.t), atol=1e-12)


@FRAMES
def test_poses_and_points_transform_alike(date):
    frame = world_frame(date)
    pose = np.eye(4)[None].copy()
    pose[0, :3, :3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    pose[0, :3, 3] = [0.1, 0.2, 0.3]
    vertex = np.array([0.4, 0.5, 0.6])
    moved = frame.transform_poses(pose)[0]
    np.testing.assert_allclose(
        moved[:3, :3] @ vertex + moved[:3, 3],
        frame.transform_points(pose[0, :3, :3] @ vertex + pose[0, :3, 3]),
        atol=1e-12,
    )


@FRAMES
def test_hand_parameters_and_points_transform_alike(date):
    rng = np.random.default_rng(3)
    frame = world_frame(date)
    theta, trans, betas = rng.normal(scale=0.5, size=(4, 48)), rng.normal(size=(4, 3)), rng.normal(size=10)
    turned = np.concatenate([frame.transform_axis_angles(theta[:, :3]), theta[:, 3:]], axis=1)
    np.testing.assert_allclose(
        proxy_hand.vertices("left", turned, frame.transform_points(trans), betas),
        frame.transform_points(proxy_hand.vertices("left", theta, trans, betas)),
        atol=1e-9,
    )
