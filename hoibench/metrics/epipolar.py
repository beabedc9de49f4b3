"""Epipolar check of matches between two images: find those that agree with one fundamental matrix."""

from __future__ import annotations

import cv2
import numpy as np

from hoibench.clip import Array

MIN_MATCHES = 8
CONFIDENCE = 0.9999
ITERATIONS = 10_000


def epipolar_threshold(size: tuple[int, int]) -> float:
    """Return the largest distance, in pixels, of an inlier from its epipolar line, for images of (H, W): 1.5 min(H, W) / 480."""
    return 1.5 * min(size) / 480.0


def epipolar_inliers(a: Array, b: Array, threshold: float) -> Array:
    """Mark the matches of two images that agree with one fundamental matrix, estimated by OpenCV's USAC_MAGSAC.

    OpenCV's sampler starts from a fixed state at each call (``UsacParams.randomGeneratorState``, 0 in this preset), which ``cv2.setRNGSeed`` does
    not affect: the same matches in the same order give the same result.

    Args:
        a: (m, 2) float32 pixels of the matched points in the first image.
        b: (m, 2) float32 pixels of the same points in the second image.
        threshold: largest distance from the epipolar line, pixels.

    Returns:
        (m,) bool, true for inliers; all false for fewer than 8 matches, or if OpenCV finds no matrix.
    """
    none = np.zeros(len(a), dtype=bool)
    if len(a) < MIN_MATCHES:
        return none
    try:
        _, inliers = cv2.findFundamentalMat(a, b, cv2.USAC_MAGSAC, threshold, CONFIDENCE, ITERATIONS)
    except cv2.error:
        return none
    return none if inliers is None else inliers.ravel().astype(bool)
