"""Mutual nearest neighbours of 2048 x 2048 descriptors with 128 values, compared with OpenCV's brute-force matcher with cross-check."""

import cv2
import numpy as np
import pytest

from hoibench.metrics.backbones.features import mutual_pairs


@pytest.fixture(scope="module")
def descriptors():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2048, 128)).astype(np.float32)
    b = a[rng.permutation(2048)] + rng.normal(0, 0.5, (2048, 128)).astype(np.float32)
    return tuple(x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))


@pytest.mark.benchmark(group="mutual nearest neighbours")
def test_hoibench(benchmark, descriptors):
    assert len(benchmark(mutual_pairs, *descriptors, max_distance=0.9)) == 2048


@pytest.mark.benchmark(group="mutual nearest neighbours")
def test_opencv(benchmark, descriptors):
    matches = benchmark(cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match, *descriptors)
    pairs = sorted((m.queryIdx, m.trainIdx) for m in matches)
    assert pairs == list(map(tuple, mutual_pairs(*descriptors).tolist()))
