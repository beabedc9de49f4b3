"""smoothness, accel_error: second differences of tracks, compared with the truth's in the mean and point by point.

Formula:    smoothness = mean_v mean_n mean_k min(D, |sP[n-1] - 2 sP[n] + sP[n+1]|), m/frame^2 at 8 fps; ranked by the ratio to the truth's value;
            accel_error = mean over all v, n and k of min(D, |d[n-1] - 2 d[n] + d[n+1]|), d = sP - X;
            smoothness@1, for comparison with the paper's tables only: without the bound, over the triples with predictions.
Points:     P predicted, X true, both in the world, so that a moving camera adds nothing, metres; P in the order of X (``pairing``); s the
            alignment's scale (``alignment``); D the RMS distance of all true points to their centroid (``scene_size``).
Counted:    triples of consecutive frames in which the point is visible, points visible in frame 0 (``TrueTracks.mask``).
Missing:    a triple that lacks a prediction scores D; in the ranked ratio D or 0, whichever is farther from the truth.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, Measurement, NotApplicable, Undefined
from hoibench.metrics.point_sets import Means, PointSet, check_prediction_and_truth, mean_of_means, pooled_mean
from hoibench.metrics.true_tracks import cameras_to_world

FRAME_RATE = 8.0
"""Frames per second that the unit m/frame^2 refers to."""
LEAST_ACCELERATION = 1e-6
"""m/frame^2: below it the truth's second difference is float32 rounding, and no divisor."""

NO_TRUE_TRIPLE = "no true point is visible in three consecutive frames"


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Mean second differences of a prediction and of the truth on the same triples (a point in three consecutive frames).

    Attributes:
        pred: mean of the prediction, m/frame^2; triples without a prediction have the scene's size D, the largest value of any triple.
        lowest: the same mean if triples without a prediction are at rest.
        truth: mean of the truth, m/frame^2.
    """

    pred: Means
    lowest: Means
    truth: Means

    def ratio(self, group: int | None = None) -> float | None:
        """Return the prediction's mean divided by the truth's, for one view (its index) or for all; None if the truth does not accelerate.

        Of the two means, with missing triples at D and at rest, it is the one farther from the truth on a logarithmic scale: omitting points can
        then neither hide jitter nor stiffness.
        """
        high, low, truth = (
            m.value if group is None else float(m.groups[group]) for m in (self.pred, self.lowest, self.truth)
        )
        if not truth >= LEAST_ACCELERATION:
            return None
        return high / truth if high * low >= truth * truth else low / truth


def smoothness(pred: Array, truth: Array, mask: Array, size: float, valid: Array | None = None) -> Smoothness:
    """Return mean |x[n-1] - 2 x[n] + x[n+1]| of the points x of prediction and truth: over points, then frames, then views.

    Args:
        pred: (V, N, K, 3) metres, already aligned, in a frame of reference that does not move.
        truth: (V, N, K, 3) metres, in the same frame of reference.
        mask: (V, N, K) bool, the true points that count; a triple needs all three frames.
        size: D, the scene's size in metres (``true_tracks.scene_size``): the largest value of a triple, and that of one without predictions.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the truth has no triple.

    >>> x = 0.5 * 0.02 * np.arange(5) ** 2  # constant acceleration: 0.02 m/frame^2
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> result = smoothness(2 * truth, truth, np.ones((1, 5, 1), dtype=bool), size=1.0)
    >>> round(result.pred.value, 6), round(result.truth.value, 6), round(result.ratio(), 6)
    (0.04, 0.02, 2.0)
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return _smoothness(points, true_points, size)


def _smoothness(pred: PointSet, truth: PointSet, size: float) -> Smoothness:
    expected = _true_triples(truth)
    return Smoothness(
        pred=mean_of_means(_capped_size(pred, size, missing=size), expected),
        lowest=mean_of_means(_capped_size(pred, size, missing=0.0), expected),
        truth=mean_of_means(_size(truth.xyz), expected),
    )


def smoothness_raw(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return mean |p[n-1] - 2 p[n] + p[n+1]| of the predicted points p, m/frame^2, over the true triples that have predictions; nothing is bounded.

    Arguments as ``smoothness``; ``truth`` is checked and not compared with.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the truth has no triple.
        Failed: no triple of the truth has predictions in all three frames.

    >>> x = 0.5 * 0.02 * np.arange(5) ** 2
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> round(smoothness_raw(2 * truth, truth, np.ones((1, 5, 1), dtype=bool)), 6)
    0.04
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return mean_of_means(_size(points.xyz), _covered_triples(points, true_points)).value


def accel_error(pred: Array, truth: Array, mask: Array, size: float, valid: Array | None = None) -> float:
    """Return the mean size of the second difference of P - X (prediction minus truth), m/frame^2, over all triples at once, whatever their view.

    A triple (a point in three consecutive frames) scores at most ``size``, and ``size`` without predictions in all three frames.
    Arguments and errors as ``smoothness``.

    >>> x = 0.5 * 0.02 * np.arange(5) ** 2
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> round(accel_error(2 * truth + 0.1, truth, np.ones((1, 5, 1), dtype=bool), size=1.0), 6)
    0.02
    """
    points, true_points = check_prediction_and_truth(pred, truth, mask, valid)
    return pooled_mean(_acceleration_error(points, true_points, size), _true_triples(true_points)).value


def second_difference(points: Array) -> Array:
    """Return the second difference over frames, x[n-1] - 2 x[n] + x[n+1], (V, N-2, K, 3) metres/frame^2, of points x, (V, N, K, 3) metres."""
    difference: Array = points[:, :-2] - 2.0 * points[:, 1:-1] + points[:, 2:]
    return difference


def true_in_three_frames(mask: Array) -> Array:
    """Return (V, N-2, K) bool, true where a (V, N, K) bool mask is true in three consecutive frames."""
    three: Array = mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]
    return three


def _size(points: Array) -> Array:
    """Return the size of each second difference, (V, N-2, K) m/frame^2, of (V, N, K, 3) points."""
    size: Array = np.linalg.norm(second_difference(points), axis=-1)
    return size


def _capped_size(points: PointSet, cap: float, missing: float) -> Array:
    return np.where(true_in_three_frames(points.valid), np.minimum(_size(points.xyz), cap), missing)


def _acceleration_error(pred: PointSet, truth: PointSet, cap: float) -> Array:
    return _capped_size(PointSet(pred.xyz - truth.xyz, pred.valid), cap, missing=cap)


def _true_triples(truth: PointSet) -> Array:
    expected = true_in_three_frames(truth.valid)
    if not expected.any():
        raise Undefined(NO_TRUE_TRIPLE)
    return expected


def _covered_triples(pred: PointSet, truth: PointSet) -> Array:
    covered: Array = _true_triples(truth) & true_in_three_frames(pred.valid)
    if not covered.any():
        raise Failed("no true point has valid predictions in three consecutive frames")
    return covered


def measure_smoothness(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of smoothness@2 (m/frame² at 8 fps; a ratio to the truth near 1 is better; 0 or more): one per view, then the clip's."""
    motion = _align_motion_at_8_fps(case)
    truth, size = _truth_in_world(motion), motion.truth.scene_size
    result, groups = _smoothness(_to_world(motion, motion.pred), truth, size), _group_triples_by_view(motion)
    if result.ratio() is None:
        raise Undefined(
            f"the truth's own second difference is {result.truth.value:.2g} m/frame², too small for a ratio to it"
        )
    for v, name in enumerate(groups.names):
        scored = int(result.pred.scored[v])
        yield motion.measurement_or_undefined(
            float(result.pred.groups[v]) if scored else NO_TRUE_TRIPLE,
            view=name,
            n_scored=scored,
            n_expected=result.pred.frames,
            coverage=groups.coverage(v),
            details={"ratio": result.ratio(v), "truth": float(result.truth.groups[v])} if scored else {},
        )
    details = {"ratio": result.ratio(), "truth": result.truth.value}
    if motion.paired_truth is not None:
        details["pairing_floor"] = _smoothness(_to_world(motion, motion.paired_truth), truth, size).pred.value
    yield motion.measurement(
        result.pred.value,
        n_scored=result.pred.n_scored,
        n_expected=result.pred.n_expected,
        coverage=groups.coverage(),
        details=details,
    )


def measure_smoothness_raw(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of smoothness@1 (m/frame² at 8 fps; lower is better; 0 or more): the clip's mean second difference."""
    motion = _align_motion_at_8_fps(case)
    pred, groups = _to_world(motion, motion.pred), _group_triples_by_view(motion)
    means = mean_of_means(_size(pred.xyz), _covered_triples(pred, _truth_in_world(motion)))
    yield motion.measurement(
        means.value,
        n_scored=means.n_scored,
        n_expected=means.n_expected,
        coverage=groups.coverage(),
        cap=motion.truth.scene_size,
    )


def measure_accel_error(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of accel_error@2 (m/frame² at 8 fps; lower is better; 0 or more): one per view, then the clip's."""
    motion = _align_motion_at_8_fps(case)
    truth, size = _truth_in_world(motion), motion.truth.scene_size
    _true_triples(truth)
    yield from measure_groups(
        motion,
        _group_triples_by_view(motion),
        lambda pred: _acceleration_error(_to_world(motion, pred), truth, size),
        cap=size,
        average=pooled_mean,
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
