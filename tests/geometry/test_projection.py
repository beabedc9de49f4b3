import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.geometry import (
    crop_intrinsics,
    is_rigid,
    optical_centre,
    project,
    resize_intrinsics,
    to_camera,
    to_world,
    unproject,
)


def camera(seed):
    rng = np.random.default_rng(seed)
    R, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    R *= np.sign(np.linalg.det(R))
    K = np.array([[500.0, rng.normal(), 90.0], [0, 480.0, 60.0], [0, 0, 1]])
    return K, R, rng.normal(size=3)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_world_and_camera_are_inverse(seed):
    _, R, t = camera(seed)
    points = np.random.default_rng(seed).normal(size=(4, 7, 3))
    assert np.allclose(to_world(to_camera(points, R, t), R, t), points, atol=1e-12)
    assert np.allclose(to_camera(optical_centre(R, t)[None], R, t), 0, atol=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_projection_and_unprojection_are_inverse(seed):
    K, _, _ = camera(seed)
    points = np.random.default_rng(seed).uniform(0.5, 2.0, size=(4, 7, 3))
    assert np.allclose(unproject(project(points, K), points[..., 2], K), points, atol=1e-12)


def test_moving_cameras_apply_per_frame():
    cameras = [camera(s) for s in range(3)]
    R, t = np.stack([c[1] for c in cameras]), np.stack([c[2] for c in cameras])
    points = np.random.default_rng(0).normal(size=(3, 5, 3))
    expected = np.stack([to_camera(points[i], R[i], t[i]) for i in range(3)])
    assert np.allclose(to_camera(points, R, t), expected)
    assert np.allclose(to_world(expected, R, t), points)


def test_numpy_and_torch_agree():
    torch = pytest.importorskip("torch")
    K, R, t = camera(3)
    points = np.random.default_rng(1).uniform(0.5, 2.0, size=(4, 7, 3))
    pixels = project(to_camera(points, R, t), K)
    other = project(to_camera(*map(torch.tensor, (points, R, t))), torch.tensor(K))
    assert np.allclose(other.numpy(), pixels, atol=1e-10)
    depth = points[..., 2]
    back = unproject(torch.tensor(pixels), torch.tensor(depth), torch.tensor(K))
    assert np.allclose(back.numpy(), unproject(pixels, depth, K))


def test_a_known_pixel():
    K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    assert project(np.array([[0.1, -0.2, 2.0]]), K).tolist() == [[55.0, 30.0]]


def test_resizing_keeps_pixel_centres_at_integers():
    """The centre of a 2x2 block of pixels (0..1) is pixel 0 of the half-size image."""
    K = np.array([[100.0, 0, 0.5], [0, 100, 0.5], [0, 0, 1]])
    half = resize_intrinsics(K, (200, 300), (100, 150))
    assert project(np.array([[0.0, 0.0, 1.0]]), half).tolist() == [[0.0, 0.0]]


def test_axes_are_resized_independently():
    """The image's outer edges, half a pixel beyond its first and last pixels, map to the outer edges."""
    K = np.array([[90.0, 2.0, 40], [0, 110, 30], [0, 0, 1]])
    small = resize_intrinsics(K, (200, 300), (50, 150))
    points = unproject(np.array([[-0.5, -0.5], [299.5, 199.5], [40.0, 30.0]]), np.array([1.0, 2.0, 1.0]), K)
    np.testing.assert_allclose(project(points, small), [[-0.5, -0.5], [149.5, 49.5], [19.75, 7.125]], atol=1e-12)
    assert K[0, 0] == 90.0 and small.dtype == np.float64


def test_cropping_moves_the_origin():
    K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    point = np.array([[0.1, -0.2, 2.0]])
    assert np.allclose(project(point, crop_intrinsics(K, top=7, left=11)), project(point, K) - [11, 7])


def test_rigidity():
    _, R, _ = camera(5)
    assert is_rigid(R)
    assert not is_rigid(R * 1.01)
    assert not is_rigid(R * [1, 1, -1])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = R, 100.0
    assert is_rigid(pose) and is_rigid(np.stack([pose, np.eye(4)])).tolist() == [True, True]
    assert is_rigid(np.stack([np.eye(3), R * 1.01, np.eye(3)])).tolist() == [True, False, True]
    skewed = np.eye(3)
    skewed[0, 1] = 0.01  # of determinant 1
    assert not is_rigid(skewed)


def test_rigidity_has_a_tolerance():
    _, R, _ = camera(5)
    assert is_rigid(R * (1 + 2e-5)) and not is_rigid(R * (1 + 1e-4))
    assert is_rigid(R * (1 + 1e-4), tolerance=1e-3)
    assert is_rigid(np.diag([1.0, 1.25, 1.0]), tolerance=0.5625)  # R R^T misses the unit by exactly that
    assert not is_rigid(np.diag([1.0, 1.25, 1.0]), tolerance=0.5624)
