"""The epipolar check of matches: how many of them one fundamental matrix explains."""

from __future__ import annotations

import cv2
import numpy as np

from hoibench.clip import Array

MIN_MATCHES = 8
CONFIDENCE = 0.9999
ITERATIONS = 10_000


def epipolar_threshold(size: tuple[int, int]) -> float:
    """Pixels within which a match must lie of its epipolar line: 1.5 min(H, W) / 480."""
    return 1.5 * min(size) / 480.0


def epipolar_inliers(a: Array, b: Array, threshold: float) -> Array:
    """The matches that OpenCV's USAC_MAGSAC keeps under one fundamental matrix.

    OpenCV draws its samples from a state of its own that starts anew at each call (``UsacParams.randomGeneratorState``, 0 in this preset), and
    ``cv2.setRNGSeed`` does not reach it: the same matches in the same order give the same answer.

    Args:
        a: (m, 2) float32 pixels in the first image.
        b: (m, 2) float32 pixels in the second.
        threshold: pixels.

    Returns:
        (m,) bool; none is kept of fewer than 8 matches, or where OpenCV finds no matrix.
    """
    none = np.zeros(len(a), dtype=bool)
    if len(a) < MIN_MATCHES:
        return none
    try:
        _, kept = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, threshold, CONFIDENCE, ITERATIONS)
    except cv2.error:
        return none
    return none if kept is None else kept.ravel().astype(bool)
