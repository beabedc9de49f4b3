"""Epipolar geometry of two images: matches that agree with one estimated fundamental matrix, and distances from the true epipolar lines."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hoibench.clip import Array, Camera

MIN_MATCHES = 8


@dataclass(frozen=True)
class Magsac:
    """Settings of OpenCV's USAC_MAGSAC estimator of the fundamental matrix, chosen by each matcher.

    Attributes:
        threshold: largest distance of an inlier from its epipolar line, pixels.
        reference_side: min(H, W) for which ``threshold`` is given; it scales with the image.  None: the same for every size.
        confidence: probability of a sample without outliers at which sampling stops.
        iterations: largest number of samples.

    >>> Magsac().pixels((256, 384)), GIM_MAGSAC.pixels((256, 384))
    (0.8, 1.0)
    """

    threshold: float = 1.5
    reference_side: int | None = 480
    confidence: float = 0.9999
    iterations: int = 10_000

    def pixels(self, size: tuple[int, int]) -> float:
        """Return the threshold in pixels for images of (H, W)."""
        return self.threshold if self.reference_side is None else self.threshold * min(size) / self.reference_side


DEFAULT_MAGSAC = Magsac()
GIM_MAGSAC = Magsac(threshold=1.0, reference_side=None, confidence=0.999999)
"""The settings of GIM's demo (xuelunshen/gim:demo.py), for matchers that use GIM's networks."""


def magsac_inliers(a: Array, b: Array, size: tuple[int, int], magsac: Magsac) -> Array:
    """Mark the matches of two images that agree with one fundamental matrix, estimated by OpenCV's USAC_MAGSAC.

    OpenCV's sampler starts from a fixed state at each call (``UsacParams.randomGeneratorState``, 0 in this preset), which ``cv2.setRNGSeed`` does
    not affect: the same matches in the same order give the same result.

    Args:
        a: (m, 2) float32 pixels of the matched points in the first image.
        b: (m, 2) float32 pixels of the same points in the second image.
        size: (H, W) of the images.
        magsac: settings of the estimator.

    Returns:
        (m,) bool, true for inliers; all false for fewer than 8 matches, or if OpenCV finds no matrix.
    """
    none = np.zeros(len(a), dtype=bool)
    if len(a) < MIN_MATCHES:
        return none
    try:
        _, inliers = cv2.findFundamentalMat(
            a, b, cv2.USAC_MAGSAC, magsac.pixels(size), magsac.confidence, magsac.iterations
        )
    except cv2.error:
        return none
    return none if inliers is None else inliers.ravel().astype(bool)


def fundamental_matrix(camera: Camera, other: Camera, frame: int = 0) -> Array:
    """Return the fundamental matrix F of two cameras, (3, 3): pixels x and x' of one point satisfy x'^T F x = 0 with homogeneous coordinates.

    Args:
        camera: the camera of x.
        other: the camera of x'.
        frame: the frame whose extrinsics a moving camera has.

    Raises:
        ValueError: both cameras are at the same place, so that there are no epipolar lines.

    >>> K = np.array([[300.0, 0, 95.5], [0, 300, 63.5], [0, 0, 1]])
    >>> left, right = (Camera(K, np.eye(3), np.array([x, 0.0, 0.0]), (128, 192)) for x in (0.0, -0.1))
    >>> F = fundamental_matrix(left, right)  # epipolar lines are rows
    >>> epipolar_distance(np.array([[50.0, 20.0]]), np.array([[80.0, 23.0]]), F).round(6)
    array([3.])
    """
    (R, t), (R_other, t_other) = (c.extrinsics(frame) for c in (camera, other))
    rotation = R_other @ R.T
    x, y, z = translation = t_other - rotation @ t
    if np.linalg.norm(translation) < 1e-9:
        raise ValueError("two cameras are at the same place: expected a distance between them")
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    F: Array = np.linalg.inv(other.K).T @ cross @ rotation @ np.linalg.inv(camera.K)
    return F


def epipolar_distance(a: Array, b: Array, F: Array) -> Array:
    """Return the symmetric epipolar distance of matches, in pixels: the mean of the distances of the two points from their epipolar lines.

    Args:
        a: (m, 2) pixels of the matched points in the first image.
        b: (m, 2) pixels of the same points in the second image.
        F: (3, 3) fundamental matrix from ``fundamental_matrix``.

    Returns:
        (m,) float64.

    >>> F = np.array([[0.0, 0, 0], [0, 0, 1], [0, -1, 0]])  # epipolar lines are rows
    >>> epipolar_distance(np.array([[50.0, 20.0], [30.0, 7.0]]), np.array([[80.0, 23.0], [10.0, 7.0]]), F)
    array([3., 0.])
    """
    x, other = (np.column_stack([points, np.ones(len(points))]).astype(np.float64) for points in (a, b))
    lines, other_lines = other @ F, x @ F.T  # of the other image's points, in the first and in the second image
    error = np.abs((lines * x).sum(axis=1))
    distance: Array = 0.5 * (error / np.hypot(*lines.T[:2]) + error / np.hypot(*other_lines.T[:2]))
    return distance
