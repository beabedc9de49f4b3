"""Epipolar check of matches: those that one fundamental matrix explains."""

from __future__ import annotations

import cv2
import numpy as np

from hoibench.clip import Array

MIN_MATCHES = 8
CONFIDENCE = 0.9999
ITERATIONS = 10_000


def epipolar_threshold(size: tuple[int, int]) -> float:
    """Return the largest distance, in pixels, of an inlier from its epipolar line: 1.5 min(H, W) / 480."""
    return 1.5 * min(size) / 480.0


def epipolar_inliers(a: Array, b: Array, threshold: float) -> Array:
    """Return the matches that OpenCV's USAC_MAGSAC keeps under one fundamental matrix.

    OpenCV's sampler starts from a fixed state at each call (``UsacParams.randomGeneratorState``, 0 in this preset), which ``cv2.setRNGSeed`` does
    not affect: the same matches in the same order give the same result.

    Args:
        a: (m, 2) float32 pixels in the first image.
        b: (m, 2) float32 pixels in the second.
        threshold: pixels.

    Returns:
        (m,) bool; all false for fewer than 8 matches, or if OpenCV finds no matrix.
    """
    none = np.zeros(len(a), dtype=bool)
    if len(a) < MIN_MATCHES:
        return none
    try:
        _, inliers = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, threshold, CONFIDENCE, ITERATIONS)
    except cv2.error:
        return none
    return none if inliers is None else inliers.ravel().astype(bool)
