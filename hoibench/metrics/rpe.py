"""rpe, pi: the error of each point relative to its distance from the camera, and the share of points within a bound.

Formula:    rpe = 100 mean_v mean_n [ sum_k m min(e, 1) / sum_k m ],  e = |sP - X| / max(|X|, 0.01 m);  pi = the same means of 100 1(e < 0.25);
            rpe@1, for comparison with the paper's tables only: without the bound of 1.
Points:     P predicted, X true, camera space, metres; P in the order of X (``pairing``); s the alignment's scale (``alignment``).
            With the alignment ``scale_shift``, sP + t replaces sP, and |X| is the distance from the view's camera in frame 0.
Counted:    m: visible in the view in frame 0 and in frame n (``TrueTracks.mask``); rpe_all: visible in frame 0, hidden or not in frame n.
Missing:    e = 1, the largest error of an answer: no answer scores worse than none.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import (
    AlignedMotion,
    PointGroups,
    align_motion,
    group_by_view,
    group_by_view_with_hidden,
    measure_groups,
)
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement
from hoibench.metrics.point_sets import PointSet, check_prediction_and_truth, mean_of_means

CAP = 1.0
"""Largest relative error e of a point, and the error of a true point without a prediction."""
MIN_NORM = 0.01
"""Metres: the least distance that an error is divided by."""
SCENE_CAP = 3.0
"""Largest error of a point relative to the size of the scene, and the error of a missing one: of mv_rpe and xv_rpe."""
SCENE_THRESHOLD = 0.25
"""Largest error of an inlier, relative to the size of the scene: of mv_rpe and xv_rpe."""


def rpe(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return the relative point error, %: the mean distance between predicted and true points, relative to their distance from the camera.

    The value is 100 mean_v mean_n [ sum_k m e / sum_k m ] with e = min(1, |P - X| / max(|X|, 0.01)), P predicted, X true and m the ``mask``.

    Args:
        pred: (V, N, K, 3) camera-space points, metres, already aligned (``hoibench.metrics.alignment``).
        truth: (V, N, K, 3) camera-space points, metres.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing, which scores e = 1.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: ``mask`` is empty.

    Source: GeometryCrafter's relative point error (TencentARC/GeometryCrafter:evaluation/metrics.py).

    >>> truth = np.array([[[[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]])  # one view, one frame, two points
    >>> pred = truth + np.array([0.0, 0.0, 0.2])
    >>> mask = np.ones((1, 1, 2), dtype=bool)
    >>> round(rpe(pred, truth, mask), 3)  # 10 % and 20 %
    15.0
    >>> round(rpe(pred, truth, mask, valid=np.array([[[True, False]]])), 3)  # 10 % and 100 %
    55.0
    >>> round(rpe(pred + np.array([0.0, 0.0, 9.0]), truth, mask), 3)  # an error larger than the distance counts as 100 %
    100.0
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return mean_of_means(capped_percent(camera_error(points, true_points.xyz), CAP), true_points.valid).value


def rpe_uncapped(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return the relative point error, %, as ``rpe``, but without its largest error of 1: a missing prediction still has e = 1.

    >>> truth = np.array([[[[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]])
    >>> mask = np.ones((1, 1, 2), dtype=bool)
    >>> round(rpe_uncapped(truth + np.array([0.0, 0.0, 9.0]), truth, mask), 3)  # 450 % and 900 %
    675.0
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return mean_of_means(uncapped_percent(camera_error(points, true_points.xyz)), true_points.valid).value


def pi(pred: Array, truth: Array, mask: Array, valid: Array | None = None, threshold: float = 0.25) -> float:
    """Return the point inliers, %: points whose error e of ``rpe`` is strictly below ``threshold``.

    Other arguments, errors and the order of means are those of ``rpe``.  A missing prediction is no inlier.

    >>> truth = np.array([[[[0.0, 0.0, 2.0], [0.0, 0.0, 1.0]]]])
    >>> mask = np.ones((1, 1, 2), dtype=bool)
    >>> pi(truth + np.array([0.0, 0.0, 0.2]), truth, mask, threshold=0.15)
    50.0
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return mean_of_means(inlier_percent(camera_error(points, true_points.xyz), threshold), true_points.valid).value


def camera_error(pred: PointSet, truth: Array) -> Array:
    """Return each point's error relative to its distance from the camera: e = |sP - X| / max(|X|, 0.01), (V, N, K); infinite if missing.

    ``pred`` has sP, the predicted points times the fitted scale s, and ``truth`` has X, both (V, N, K, 3) camera-space points in metres.
    """
    return relative_error(pred, truth, np.maximum(np.linalg.norm(truth, axis=-1), MIN_NORM))


def relative_error(pred: PointSet, truth: Array, norm: Array | float) -> Array:
    """Return the distance between predicted and true points, divided by ``norm``: e = |sP - X| / norm, (V, N, K); infinite if missing.

    Args:
        pred: sP, (V, N, K, 3) predicted points, metres.
        truth: X, true points in the same frame of reference, broadcast to the same shape.
        norm: length that the error is relative to, metres, broadcast to (V, N, K).
    """
    distance = np.linalg.norm(pred.xyz - truth, axis=-1)
    return np.where(pred.valid, distance / norm, np.inf)


def capped_percent(error: Array, cap: float) -> Array:
    """Return relative errors in percent, none above 100 ``cap``; missing predictions have an infinite error, hence 100 ``cap``."""
    capped: Array = 100.0 * np.minimum(error, cap)
    return capped


def uncapped_percent(error: Array) -> Array:
    """Return relative errors in percent, and 100 for missing predictions (infinite errors)."""
    return np.where(np.isinf(error), 100.0, 100.0 * error)


def inlier_percent(error: Array, threshold: float) -> Array:
    """Return an array of 100 where the error is strictly below the threshold, else 0: its mean is the percentage of inliers."""
    return np.where(error < threshold, 100.0, 0.0)


def measure_rpe(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of rpe@2 (%; lower is better; 0 to 100): one per view, then the clip's."""
    yield from _measure(case, group_by_view, lambda error: capped_percent(error, CAP))


def measure_rpe_all(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of rpe_all@2 (%; lower is better; 0 to 100): as rpe, with hidden points."""
    yield from _measure(case, group_by_view_with_hidden, lambda error: capped_percent(error, CAP))


def measure_rpe_uncapped(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of rpe@1 (%; lower is better; 0 or more): as rpe@2 without a largest error, for the paper's tables."""
    yield from _measure(case, group_by_view, uncapped_percent)


def measure_rpe_all_uncapped(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of rpe_all@1 (%; lower is better; 0 or more): as rpe@1, with hidden points."""
    yield from _measure(case, group_by_view_with_hidden, uncapped_percent)


def measure_pi(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of pi@1 (%; higher is better; 0 to 100): the share of points within 25 % of the distance from the camera."""
    yield from _measure_inliers(case, 0.25)


def measure_pi_010(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of pi_010@1 (%; higher is better; 0 to 100): the share of points within 10 %."""
    yield from _measure_inliers(case, 0.10)


def measure_pi_005(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of pi_005@1 (%; higher is better; 0 to 100): the share of points within 5 %."""
    yield from _measure_inliers(case, 0.05)


def _measure_inliers(case: Case, threshold: float) -> Iterator[Measurement]:
    yield from _measure(case, group_by_view, lambda error: inlier_percent(error, threshold), threshold=threshold)


def _measure(
    case: Case,
    group: Callable[[AlignedMotion], PointGroups],
    to_percent: Callable[[Array], Array],
    **details: Any,
) -> Iterator[Measurement]:
    motion = align_motion(case)
    truth, has_shift = motion.truth, motion.alignment.shifts is not None
    distance = truth.distance_from_first_camera if has_shift else np.linalg.norm(truth.points, axis=-1)
    norm = np.maximum(distance, MIN_NORM)
    yield from measure_groups(
        motion, group(motion), lambda pred: to_percent(relative_error(pred, truth.points, norm)), **details
    )
