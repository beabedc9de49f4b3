"""The epipolar check: true matches pass, wrong ones fail, and the result is deterministic."""

import cv2
import numpy as np
import pytest

from hoibench.metrics.epipolar import epipolar_inliers, epipolar_threshold

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


def test_the_threshold_scales_with_the_short_side():
    assert epipolar_threshold((480, 704)) == 1.5
    assert epipolar_threshold((384, 256)) == pytest.approx(0.8)


def test_true_matches_pass_and_wrong_ones_fail():
    a, b = two_views(200, outliers=80)
    kept = epipolar_inliers(a, b, 1.5)
    assert kept.shape == (200,)
    assert kept.dtype == bool
    assert kept[:120].mean() > 0.95
    assert kept[120:].mean() < 0.15  # some are on their epipolar line by chance


@pytest.mark.parametrize("matches", [0, 1, 7])
def test_fewer_than_eight_matches_are_none(matches):
    a, b = two_views(20, outliers=0)
    assert not epipolar_inliers(a[:matches], b[:matches], 1.5).any()
    assert epipolar_inliers(a[:8], b[:8], 1.5).any()


def test_an_opencv_error_gives_no_inliers(monkeypatch):
    def fail(*_):
        raise cv2.error("no model")

    monkeypatch.setattr(cv2, "findFundamentalMat", fail)
    a, b = two_views(20, outliers=0)
    assert epipolar_inliers(a, b, 1.5).tolist() == [False] * 20


def test_identical_points_are_no_error():
    a = np.full((30, 2), 17.0, np.float32)
    assert epipolar_inliers(a, a, 1.5).shape == (30,)


def test_inliers_do_not_depend_on_seeds_threads_or_earlier_calls():
    cases = [
        two_views(150, outliers=100, seed=seed, noise=0.7) for seed in range(4)
    ]  # hard: samples decide the outcome
    first = [epipolar_inliers(a, b, 0.8) for a, b in cases]
    threads = cv2.getNumThreads()
    try:
        for seed, order in ((1, (0, 1, 2, 3)), (7, (3, 1, 0, 2)), (2026, (2, 2, 0, 3))):
            cv2.setRNGSeed(seed)
            np.random.default_rng(seed)
            cv2.setNumThreads(1 + seed % 3)
            for i in order:
                assert np.array_equal(epipolar_inliers(*cases[i], 0.8), first[i])
    finally:
        cv2.setNumThreads(threads)
