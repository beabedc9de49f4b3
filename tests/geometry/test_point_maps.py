import numpy as np
import pytest

from hoibench.geometry import project
from hoibench.geometry.point_maps import fit_intrinsics, points_from_depth

K = np.array([[410.0, 0, 51.0], [0, 395.0, 33.0], [0, 0, 1]])


def depth_map(seed=0, size=(64, 96)):
    v, u = np.mgrid[: size[0], : size[1]]
    return 1.2 + 0.004 * u + 0.003 * v + 0.3 * (np.random.default_rng(seed).random(size) < 0.3)


def test_positions_project_to_their_own_pixels_at_their_depth():
    depth = np.stack([depth_map(0), depth_map(1)])
    points = points_from_depth(depth, K)
    v, u = np.mgrid[:64, :96]
    assert points[..., 2] == pytest.approx(depth)
    assert project(points[1].reshape(-1, 3), K) == pytest.approx(np.stack([u.ravel(), v.ravel()], axis=-1))


def test_intrinsics_are_recovered_from_a_float16_map_of_unknown_scale_with_outliers():
    rng = np.random.default_rng(2)
    points = 0.37 * points_from_depth(depth_map(), K)
    wrong = rng.random((64, 96)) < 0.1
    points[wrong] += rng.normal(0.0, 0.3, (int(wrong.sum()), 3))
    points[:4, :9] = np.nan
    fitted = fit_intrinsics(points.astype(np.float16))
    assert np.diag(fitted)[:2] == pytest.approx(np.diag(K)[:2], rel=1e-3)
    assert fitted[:2, 2] == pytest.approx(K[:2, 2], abs=0.1)


def test_maps_that_no_camera_took_are_refused():
    points = points_from_depth(depth_map(), K)
    scattered = points + np.random.default_rng(3).normal(0.0, 0.1, points.shape)
    for bad in (scattered, points * [-1, 1, 1], np.broadcast_to([0.0, 0.0, 1.0], points.shape)):
        with pytest.raises(ValueError, match="no pinhole camera fits the point map"):
            fit_intrinsics(bad)
    with pytest.raises(ValueError, match="0 positions are finite and in front of the camera"):
        fit_intrinsics(-points)
