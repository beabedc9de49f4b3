"""Epipolar geometry: MAGSAC keeps true matches and is deterministic; distances from known epipolar lines equal other libraries'."""

import cv2
import numpy as np
import pytest

from hoibench.clip import Camera
from hoibench.geometry import project, to_camera
from hoibench.metrics.backbones.aliked import Aliked
from hoibench.metrics.backbones.sift import Sift
from hoibench.metrics.epipolar import (
    DEFAULT_MAGSAC,
    GIM_MAGSAC,
    Magsac,
    epipolar_distance,
    fundamental_matrix,
    magsac_inliers,
)

K = np.array([[300.0, 0.0, 192.0], [0.0, 300.0, 128.0], [0.0, 0.0, 1.0]])


def two_views(points, outliers, seed=0, noise=0.2):
    """Return matches (m, 2), (m, 2) of random points seen by two cameras, the last ``outliers`` of them wrong."""
    rng = np.random.default_rng(seed)
    X = np.c_[rng.uniform(-1, 1, (points, 2)), rng.uniform(3, 6, points)]
    R, _ = cv2.Rodrigues(np.array([0.0, np.deg2rad(20), 0.0]))
    a, b = X @ K.T, (X @ R.T + (-1.5, 0.1, 0.2)) @ K.T
    a, b = (p[:, :2] / p[:, 2:] + rng.normal(0, noise, (points, 2)) for p in (a, b))
    if outliers:
        b[-outliers:] = rng.uniform((0, 0), (384, 256), (outliers, 2))
    return a.astype(np.float32), b.astype(np.float32)


SIZE = (256, 384)
AT_ONE_AND_A_HALF = Magsac(threshold=1.5, reference_side=None)


def test_the_threshold_scales_with_the_short_side():
    assert DEFAULT_MAGSAC.pixels((480, 704)) == 1.5
    assert DEFAULT_MAGSAC.pixels((384, 256)) == pytest.approx(0.8)


def test_settings_belong_to_the_matcher():
    assert Sift.magsac == Aliked.magsac == Magsac(1.5, 480, 0.9999, 10_000)
    assert Magsac(1.0, None, 0.999999, 10_000) == GIM_MAGSAC
    assert GIM_MAGSAC.pixels((256, 384)) == GIM_MAGSAC.pixels((480, 704)) == 1.0


def test_the_settings_reach_opencv(monkeypatch):
    given = []
    monkeypatch.setattr(cv2, "findFundamentalMat", lambda a, b, *settings: given.append(settings) or (None, None))
    a, b = two_views(20, outliers=0)
    for magsac in (GIM_MAGSAC, DEFAULT_MAGSAC):
        magsac_inliers(a, b, SIZE, magsac)
    assert given == [(cv2.USAC_MAGSAC, 1.0, 0.999999, 10_000), (cv2.USAC_MAGSAC, 0.8, 0.9999, 10_000)]


def test_true_matches_pass_and_wrong_ones_fail():
    a, b = two_views(200, outliers=80)
    kept = magsac_inliers(a, b, SIZE, AT_ONE_AND_A_HALF)
    assert kept.shape == (200,)
    assert kept.dtype == bool
    assert kept[:120].mean() > 0.95
    assert kept[120:].mean() < 0.15  # some are on their epipolar line by chance


@pytest.mark.parametrize("matches", [0, 1, 7])
def test_fewer_than_eight_matches_are_none(matches):
    a, b = two_views(20, outliers=0)
    assert not magsac_inliers(a[:matches], b[:matches], SIZE, AT_ONE_AND_A_HALF).any()
    assert magsac_inliers(a[:8], b[:8], SIZE, AT_ONE_AND_A_HALF).any()


def test_an_opencv_error_gives_no_inliers(monkeypatch):
    def fail(*_):
        raise cv2.error("no model")

    monkeypatch.setattr(cv2, "findFundamentalMat", fail)
    a, b = two_views(20, outliers=0)
    assert magsac_inliers(a, b, SIZE, AT_ONE_AND_A_HALF).tolist() == [False] * 20


def test_identical_points_are_no_error():
    a = np.full((30, 2), 17.0, np.float32)
    assert magsac_inliers(a, a, SIZE, AT_ONE_AND_A_HALF).shape == (30,)


def test_inliers_do_not_depend_on_seeds_threads_or_earlier_calls():
    cases = [
        two_views(150, outliers=100, seed=seed, noise=0.7) for seed in range(4)
    ]  # hard: samples decide the outcome
    first = [magsac_inliers(a, b, SIZE, DEFAULT_MAGSAC) for a, b in cases]
    threads = cv2.getNumThreads()
    try:
        for seed, order in ((1, (0, 1, 2, 3)), (7, (3, 1, 0, 2)), (2026, (2, 2, 0, 3))):
            cv2.setRNGSeed(seed)
            np.random.default_rng(seed)
            cv2.setNumThreads(1 + seed % 3)
            for i in order:
                assert np.array_equal(magsac_inliers(*cases[i], SIZE, DEFAULT_MAGSAC), first[i])
    finally:
        cv2.setNumThreads(threads)


def two_cameras(seed=0, moving=False):
    rng = np.random.default_rng(seed)
    R = [cv2.Rodrigues(rng.normal(0, 0.3, 3))[0] for _ in range(4)]
    t = rng.normal(0, 0.2, (4, 3)) + np.array([0.0, 0.0, 3.0])
    if not moving:
        return Camera(K, R[0], t[0], SIZE), Camera(np.diag([1.2, 1.1, 1.0]) @ K, R[1], t[1], SIZE)
    return Camera(K, np.stack(R[:2]), t[:2], SIZE), Camera(K, np.stack(R[2:]), t[2:], SIZE)


@pytest.mark.parametrize("frame", [None, 0, 1])
def test_projections_of_one_point_are_on_their_epipolar_lines(frame):
    world = np.random.default_rng(1).uniform(-0.5, 0.5, (50, 3))
    cameras = two_cameras(moving=frame is not None)
    poses = [(c.R, c.t) if frame is None else (c.R[frame], c.t[frame]) for c in cameras]
    a, b = (project(to_camera(world, *pose), c.K) for pose, c in zip(poses, cameras, strict=True))
    F = fundamental_matrix(*cameras, frame or 0)
    assert epipolar_distance(a, b, F).max() < 1e-9
    assert np.median(epipolar_distance(a, b[::-1], F)) > 5
    if frame is not None:
        assert np.median(epipolar_distance(a, b, fundamental_matrix(*cameras, 1 - frame))) > 5


def test_distances_equal_opencv_and_kornia():
    torch, kornia = pytest.importorskip("torch"), pytest.importorskip("kornia.geometry.epipolar")
    F = fundamental_matrix(*two_cameras())
    a, b = np.random.default_rng(2).uniform(0, 256, (2, 40, 2))
    found = epipolar_distance(a, b, F)
    lines = [cv2.computeCorrespondEpilines(p[:, None], k, F)[:, 0] for p, k in ((b, 2), (a, 1))]
    plain = [np.abs((line[:, :2] * p).sum(1) + line[:, 2]) for line, p in zip(lines, (a, b), strict=True)]
    assert found == pytest.approx(np.mean(plain, axis=0))
    A, B, G = (torch.from_numpy(x)[None] for x in (a, b, F))
    sides = kornia.left_to_right_epipolar_distance(A, B, G), kornia.right_to_left_epipolar_distance(A, B, G)
    assert found == pytest.approx(0.5 * (sides[0] + sides[1]).numpy()[0])


def test_the_distance_does_not_depend_on_the_order_of_the_views():
    camera, other = two_cameras()
    a, b = np.random.default_rng(3).uniform(0, 256, (2, 40, 2))
    there, back = fundamental_matrix(camera, other), fundamental_matrix(other, camera)
    assert epipolar_distance(a, b, there) == pytest.approx(epipolar_distance(b, a, back))


def test_cameras_at_the_same_place_have_no_epipolar_lines():
    camera, _ = two_cameras()
    with pytest.raises(ValueError, match="at the same place"):
        fundamental_matrix(camera, camera)
