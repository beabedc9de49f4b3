"""smoothness, accel_error: second differences of tracks, compared with the truth's in the mean and point by point.

Formula:    smoothness = mean_v mean_n mean_k |sP[n-1] - 2 sP[n] + sP[n+1]|, m/frame^2 at 8 fps; ranked by the ratio to the truth's value on the same
            triples, moved away from 1 by the coverage;  accel_error = the same means of |d[n-1] - 2 d[n] + d[n+1]|, d = sP - X
Points:     P predicted, X true, both in the world, so that a moving camera adds nothing, metres; P in the order of X (``pairing``); s the
            alignment's scale (``alignment``).
Counted:    triples of consecutive frames in which the point is visible, points visible in frame 0 (``TrueTracks.mask``).
Missing:    smoothness leaves triples without predictions out and lowers the coverage; in accel_error they score as a point at rest, or as the mean of
            the other triples if that is worse.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, Measurement, NotApplicable, Undefined
from hoibench.metrics.point_sets import Means, PointSet, check_prediction_and_truth, mean_of_means
from hoibench.metrics.true_tracks import cameras_to_world

FRAME_RATE = 8.0
"""Frames per second that the unit m/frame^2 refers to."""
LEAST_ACCELERATION = 1e-6
"""m/frame^2: below it the truth's second difference is float32 rounding, and no divisor."""

NO_TRUE_TRIPLE = "no true point is visible in three consecutive frames"
NO_PREDICTED_TRIPLE = "no true point has valid predictions in three consecutive frames"


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Mean second differences of a prediction and of the truth on the same triples (a point in three consecutive frames).

    Attributes:
        pred, truth: means of the prediction and of the truth, m/frame^2, over the true triples that have predictions in all three frames.
        coverage: share of the true triples that have predictions, 0 to 1.
    """

    pred: Means
    truth: Means
    coverage: float

    def ratio(self, group: int | None = None) -> float | None:
        """Return the prediction's mean divided by the truth's, for one view (its index) or for all; None if the truth does not accelerate."""
        pred, truth = (m.value if group is None else float(m.groups[group]) for m in (self.pred, self.truth))
        return pred / truth if truth >= LEAST_ACCELERATION else None

    @property
    def ranked_ratio(self) -> float | None:
        """The ratio of all views, moved away from 1 by the coverage so that missing predictions make it worse; None if ``ratio`` is None."""
        ratio = self.ratio()
        if ratio is None:
            return None
        return ratio / self.coverage if ratio >= 1.0 else ratio * self.coverage


def smoothness(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> Smoothness:
    """Return mean |x[n-1] - 2 x[n] + x[n+1]| of the points x of prediction and truth: over points, then frames, then views.

    Args:
        pred: (V, N, K, 3) metres, already aligned, in a frame of reference that does not move.
        truth: (V, N, K, 3) metres, in the same frame of reference.
        mask: (V, N, K) bool, the true points that count; a triple needs all three frames.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the truth has no triple.
        Failed: no triple of the truth has predictions in all three frames.

    >>> x = 0.5 * 0.02 * np.arange(5) ** 2  # constant acceleration: 0.02 m/frame^2
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> result = smoothness(2 * truth, truth, np.ones((1, 5, 1), dtype=bool))
    >>> round(result.pred.value, 6), round(result.truth.value, 6), round(result.ratio(), 6)
    (0.04, 0.02, 2.0)
    """
    return _smoothness(*check_prediction_and_truth(pred, truth, mask, valid))


def _smoothness(pred: PointSet, truth: PointSet) -> Smoothness:
    expected, covered = _covered_triples(pred.valid, truth.valid)
    return Smoothness(
        pred=mean_of_means(np.linalg.norm(second_difference(pred.xyz), axis=-1), covered),
        truth=mean_of_means(np.linalg.norm(second_difference(truth.xyz), axis=-1), covered),
        coverage=int(covered.sum()) / int(expected.sum()),
    )


def accel_error(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return the mean size of the second difference of P - X (prediction minus truth), m/frame^2: over points, then frames, then views.

    A triple (a point in three consecutive frames) without predictions in all three frames scores as a point at rest, or as the mean of the other
    triples if that is worse.
    Arguments and errors as ``smoothness``.

    >>> x = 0.5 * 0.02 * np.arange(5) ** 2
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> round(accel_error(2 * truth + 0.1, truth, np.ones((1, 5, 1), dtype=bool)), 6)
    0.02
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    expected, _ = _covered_triples(points.valid, true_points.valid)
    return mean_of_means(_acceleration_error(points, true_points), expected).value


def second_difference(points: Array) -> Array:
    """Return the second difference over frames, x[n-1] - 2 x[n] + x[n+1], (V, N-2, K, 3) metres/frame^2, of points x, (V, N, K, 3) metres."""
    difference: Array = points[:, :-2] - 2.0 * points[:, 1:-1] + points[:, 2:]
    return difference


def true_in_three_frames(mask: Array) -> Array:
    """Return (V, N-2, K) bool, true where a (V, N, K) bool mask is true in three consecutive frames."""
    three: Array = mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]
    return three


def _acceleration_error(pred: PointSet, truth: PointSet) -> Array:
    _, covered = _covered_triples(pred.valid, truth.valid)
    error: Array = np.linalg.norm(second_difference(pred.xyz - truth.xyz), axis=-1)
    at_rest = np.linalg.norm(second_difference(truth.xyz), axis=-1)
    return np.where(covered, error, np.maximum(at_rest, error[covered].mean()))


def _covered_triples(valid: Array, mask: Array) -> tuple[Array, Array]:
    """Return the triples (a point in three consecutive frames) of the truth, and those of them with three predictions; both (V, N-2, K) bool.

    Raises:
        Undefined: the truth has no triple.
        Failed: no triple of the truth has three predictions.
    """
    expected = true_in_three_frames(mask)
    if not expected.any():
        raise Undefined(NO_TRUE_TRIPLE)
    covered = expected & true_in_three_frames(valid)
    if not covered.any():
        raise Failed(NO_PREDICTED_TRIPLE)
    return expected, covered


def measure_smoothness(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of smoothness@1 (m/frame² at 8 fps; a ratio to the truth near 1 is better; 0 or more): one per view, then the clip's.

    ``details["ratio"]`` of the clip is ranked; ``details["truth"]`` is the truth's value on the same triples.
    """
    motion = _align_motion_at_8_fps(case)
    truth = _truth_in_world(motion)
    result = _smoothness(_to_world(motion, motion.pred), truth)
    ratio = result.ranked_ratio
    if ratio is None:
        raise Undefined(
            f"the truth's own second difference is {result.truth.value:.2g} m/frame², too small for a ratio to it"
        )
    yield from _measure_views(motion, result)
    details = {"ratio": ratio, "ratio_covered": result.ratio(), "truth": result.truth.value}
    if motion.paired_truth is not None:
        floor = _smoothness(_to_world(motion, motion.paired_truth), truth)
        details["pairing_floor"] = floor.pred.value
    yield motion.measurement(
        result.pred.value,
        n_scored=result.pred.n_scored,
        n_expected=result.pred.n_expected,
        coverage=result.coverage,
        details=details,
    )


def _measure_views(motion: AlignedMotion, result: Smoothness) -> Iterator[Measurement]:
    groups = _group_triples_by_view(motion)
    for v, name in enumerate(groups.names):
        coverage, scored = groups.coverage(v), int(result.pred.scored[v])
        columns: dict[str, Any] = {
            "view": name,
            "n_scored": scored,
            "n_expected": result.pred.frames,
            "coverage": coverage,
        }
        if scored:
            details = {"truth": float(result.truth.groups[v]), "ratio_covered": result.ratio(v)}
            yield motion.measurement(float(result.pred.groups[v]), details=details, **columns)
        elif coverage is None:
            yield motion.measurement(None, status="undefined", reason=NO_TRUE_TRIPLE, **columns)
        else:
            yield motion.measurement(None, status="failed", reason=NO_PREDICTED_TRIPLE, **columns)


def measure_accel_error(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of accel_error@1 (m/frame² at 8 fps; lower is better; 0 or more): one per view, then the clip's."""
    motion = _align_motion_at_8_fps(case)
    truth = _truth_in_world(motion)
    yield from measure_groups(
        motion, _group_triples_by_view(motion), lambda pred: _acceleration_error(_to_world(motion, pred), truth)
    )


def _align_motion_at_8_fps(case: Case) -> AlignedMotion:
    fps = case.clip.fps
    if abs(fps - FRAME_RATE) > 1e-6 * FRAME_RATE:
        raise NotApplicable(
            f"the clip has {fps:g} fps, but the unit m/frame² is defined at {FRAME_RATE:g} fps: resample the clip"
        )
    return align_motion(case)


def _group_triples_by_view(motion: AlignedMotion) -> PointGroups:
    return PointGroups(
        "view", motion.truth.views, true_in_three_frames(motion.truth.mask), true_in_three_frames(motion.pred.valid)
    )


def _truth_in_world(motion: AlignedMotion) -> PointSet:
    return PointSet(np.broadcast_to(motion.truth.world, motion.truth.points.shape), motion.truth.mask)


def _to_world(motion: AlignedMotion, pred: PointSet) -> PointSet:
    return PointSet(cameras_to_world(pred.xyz, motion.truth.cameras), pred.valid)
