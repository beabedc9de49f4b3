"""rpe, pi: the error of each point relative to its distance from the camera, and the share of points under a bound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import align_motion, group_by_view, group_by_view_with_hidden, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import PointSet, check_points_and_truth, mean_of_means

MISSING = 1.0
"""The error of a true point without an answer: as if it were predicted at the camera's centre."""
MIN_NORM = 0.01
"""Metres: the least distance that an error is divided by."""


def relative_error(answer: PointSet, truth: Array, norm: Array | float) -> Array:
    """Error e = |sP - X| / norm, (V, N, K), and 1 where there is no answer.

    Args:
        answer: sP, (V, N, K, 3) metres.
        truth: X, broadcast against it, in the same frame of reference.
        norm: metres, broadcast against (V, N, K).
    """
    distance = np.linalg.norm(answer.xyz - truth, axis=-1)
    return np.where(answer.valid, distance / norm, MISSING)


def camera_error(answer: PointSet, truth: Array) -> Array:
    """Error e = |sP - X| / max(|X|, 0.01), (V, N, K): both (V, N, K, 3) in camera space, metres.

    Source: GeometryCrafter's relative point error (TencentARC/GeometryCrafter:evaluation/metrics.py).
    """
    return relative_error(answer, truth, np.maximum(np.linalg.norm(truth, axis=-1), MIN_NORM))


def inlier_percent(error: Array, threshold: float) -> Array:
    """100 where the error is strictly under the threshold, else 0: its mean is a percentage of inliers."""
    return np.where(error < threshold, 100.0, 0.0)


def rpe(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Relative point error, %: 100 mean_v mean_n [ sum_k m e / sum_k m ], e = |P - X| / max(|X|, 0.01).

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned (``hoibench.metrics.alignment``).
        truth: (V, N, K, 3) camera-space points, metres.
        mask: (V, N, K) bool, the truth's points that count.
        valid: (V, N, K) bool, where there is a prediction; e = 1 elsewhere.  None means everywhere.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: ``mask`` is empty.
    """
    answer, known = check_points_and_truth(pred, truth, mask, valid)
    return mean_of_means(100.0 * camera_error(answer, known.xyz), known.valid).value


def pi(pred: Array, truth: Array, mask: Array, valid: Array | None = None, threshold: float = 0.25) -> float:
    """Point inliers, %: the same means as ``rpe`` of 1(e < threshold), strictly; a missing prediction is no inlier."""
    answer, known = check_points_and_truth(pred, truth, mask, valid)
    return mean_of_means(inlier_percent(camera_error(answer, known.xyz), threshold), known.valid).value


def measure_rpe(case: Case) -> Iterator[Measurement]:
    """rpe@1."""
    motion = align_motion(case)
    yield from measure_groups(
        motion, group_by_view(motion), lambda answer: 100.0 * camera_error(answer, motion.truth.points)
    )


def measure_pi(case: Case) -> Iterator[Measurement]:
    """pi@1: inliers within 25 % of the distance from the camera."""
    yield from _inliers(case, 0.25)


def measure_pi_010(case: Case) -> Iterator[Measurement]:
    """pi_010@1: inliers within 10 %."""
    yield from _inliers(case, 0.10)


def measure_pi_005(case: Case) -> Iterator[Measurement]:
    """pi_005@1: inliers within 5 %."""
    yield from _inliers(case, 0.05)


def _inliers(case: Case, threshold: float) -> Iterator[Measurement]:
    motion = align_motion(case)
    yield from measure_groups(
        motion,
        group_by_view(motion),
        lambda answer: inlier_percent(camera_error(answer, motion.truth.points), threshold),
        threshold=threshold,
    )


def measure_rpe_all(case: Case) -> Iterator[Measurement]:
    """rpe_all@1: rpe over hidden points too."""
    motion = align_motion(case)
    yield from measure_groups(
        motion, group_by_view_with_hidden(motion), lambda answer: 100.0 * camera_error(answer, motion.truth.points)
    )
