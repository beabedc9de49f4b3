"""smoothness, accel_error: second differences of tracks, against the truth's own and point by point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.metrics.aligned_motion import AlignedMotion, PointGroups, align_motion, measure_groups
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Failed, Measurement, NotApplicable, Undefined
from hoibench.metrics.point_sets import Means, PointSet, check_points_and_truth, mean_of_means
from hoibench.metrics.true_tracks import cameras_to_world

FRAME_RATE = 8.0
"""Frames per second at which m/frame^2 is meant."""
LEAST_ACCELERATION = 1e-6
"""m/frame^2: under it the truth's own second difference is what float32 tracks round away, and nothing can be divided by it."""

NO_TRUTH = "no true point is visible in three frames on end"
NO_ANSWER = "no true point has valid predictions in three frames on end"


def second_difference(points: Array) -> Array:
    """x[n-1] - 2 x[n] + x[n+1]: (V, N, K, 3) metres -> (V, N-2, K, 3) metres/frame^2."""
    difference: Array = points[:, :-2] - 2.0 * points[:, 1:-1] + points[:, 2:]
    return difference


def triples(mask: Array) -> Array:
    """(V, N, K) bool -> (V, N-2, K) bool: true in three frames on end."""
    three: Array = mask[:, :-2] & mask[:, 1:-1] & mask[:, 2:]
    return three


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Mean second differences of a prediction and of the truth on the same triples.

    Attributes:
        pred, truth: means, m/frame^2, over the truth-valid triples that have predictions in all three frames.
        coverage: share of the truth-valid triples that have.
    """

    pred: Means
    truth: Means
    coverage: float

    def ratio(self, group: int | None = None) -> float | None:
        """Prediction to truth, of one view or of all; None where the truth does not accelerate."""
        pred, truth = (m.value if group is None else float(m.groups[group]) for m in (self.pred, self.truth))
        return pred / truth if truth >= LEAST_ACCELERATION else None

    @property
    def ranked_ratio(self) -> float | None:
        """The ratio, moved away from 1 by the coverage: leaving triples out must cost, whichever side of 1 a method is on."""
        ratio = self.ratio()
        if ratio is None:
            return None
        return ratio / self.coverage if ratio >= 1.0 else ratio * self.coverage


def smoothness(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> Smoothness:
    """Mean |x[n-1] - 2 x[n] + x[n+1]| of prediction and truth: over a frame's triples, then frames, then views.

    Args:
        pred: (V, N, K, 3) metres, already aligned, in a frame of reference that does not move.
        truth: (V, N, K, 3) metres, in the same frame of reference.
        mask: (V, N, K) bool, the truth's points that count; a triple needs all three frames.
        valid: (V, N, K) bool, where there is a prediction.  None means everywhere.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the truth has no triple.
        Failed: no triple of the truth has predictions in all three frames.
    """
    answer, known = check_points_and_truth(pred, truth, mask, valid)
    expected, covered = _covered_triples(answer.valid, known.valid)
    return Smoothness(
        pred=mean_of_means(np.linalg.norm(second_difference(answer.xyz), axis=-1), covered),
        truth=mean_of_means(np.linalg.norm(second_difference(known.xyz), axis=-1), covered),
        coverage=int(covered.sum()) / int(expected.sum()),
    )


def accel_error(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Mean |second difference of (P - X)|, m/frame^2: the means of ``smoothness``, over every truth-valid triple.

    A triple without predictions in all three frames counts as one of a point at rest, or as the mean of the others if that is worse.
    Arguments and errors as ``smoothness``.
    """
    answer, known = check_points_and_truth(pred, truth, mask, valid)
    expected, _ = _covered_triples(answer.valid, known.valid)
    return mean_of_means(_acceleration_error(answer, known), expected).value


def _acceleration_error(answer: PointSet, truth: PointSet) -> Array:
    _, covered = _covered_triples(answer.valid, truth.valid)
    error: Array = np.linalg.norm(second_difference(answer.xyz - truth.xyz), axis=-1)
    at_rest = np.linalg.norm(second_difference(truth.xyz), axis=-1)
    return np.where(covered, error, np.maximum(at_rest, error[covered].mean()))


def _covered_triples(valid: Array, mask: Array) -> tuple[Array, Array]:
    expected = triples(mask)
    if not expected.any():
        raise Undefined(NO_TRUTH)
    covered = expected & triples(valid)
    if not covered.any():
        raise Failed(NO_ANSWER)
    return expected, covered


def _at_protocol_rate(case: Case) -> AlignedMotion:
    fps = case.clip.fps
    if abs(fps - FRAME_RATE) > 1e-6 * FRAME_RATE:
        raise NotApplicable(
            f"the clip runs at {fps:g} fps, and the unit m/frame² holds at {FRAME_RATE:g}: resample the clip"
        )
    return align_motion(case)


def _triples_of_views(motion: AlignedMotion) -> PointGroups:
    return PointGroups("view", motion.truth.views, triples(motion.truth.mask), triples(motion.answer.valid))


def _in_world(motion: AlignedMotion, points: PointSet) -> Array:
    """PointSet where a moving camera adds no acceleration; for a camera at rest it makes no difference."""
    return cameras_to_world(points.xyz, motion.truth.cameras)


def measure_smoothness(case: Case) -> Iterator[Measurement]:
    """smoothness@1; ``details.ratio`` is what ranks, ``details.truth`` the truth's own value on the same triples."""
    motion = _at_protocol_rate(case)
    mask, X = motion.truth.mask, np.broadcast_to(motion.truth.world, motion.truth.points.shape)
    result = smoothness(_in_world(motion, motion.answer), X, mask, motion.answer.valid)
    ratio = result.ranked_ratio
    if ratio is None:
        raise Undefined(
            f"the truth's own second difference is {result.truth.value:.2g} m/frame^2: a ratio to it says nothing"
        )
    yield from _smoothness_of_views(motion, result)
    details = {"ratio": ratio, "ratio_covered": result.ratio(), "truth": result.truth.value}
    if motion.floor is not None:
        floor = smoothness(_in_world(motion, motion.floor), X, mask, motion.floor.valid)
        details["pairing_floor"] = floor.pred.value
    yield motion.row(
        result.pred.value,
        n_scored=result.pred.n_scored,
        n_expected=result.pred.n_expected,
        coverage=result.coverage,
        details=details,
    )


def _smoothness_of_views(motion: AlignedMotion, result: Smoothness) -> Iterator[Measurement]:
    grain = _triples_of_views(motion)
    for v, name in enumerate(grain.names):
        coverage, scored = grain.coverage(v), int(result.pred.scored[v])
        facts: dict[str, Any] = {
            "view": name,
            "n_scored": scored,
            "n_expected": result.pred.frames,
            "coverage": coverage,
        }
        if scored:
            details = {"truth": float(result.truth.groups[v]), "ratio_covered": result.ratio(v)}
            yield motion.row(float(result.pred.groups[v]), details=details, **facts)
        elif coverage is None:
            yield motion.row(None, status="undefined", reason=NO_TRUTH, **facts)
        else:
            yield motion.row(None, status="failed", reason=NO_ANSWER, **facts)


def measure_accel_error(case: Case) -> Iterator[Measurement]:
    """accel_error@1."""
    motion = _at_protocol_rate(case)
    mask = motion.truth.mask
    X = PointSet(np.broadcast_to(motion.truth.world, motion.truth.points.shape), mask)
    yield from measure_groups(
        motion,
        _triples_of_views(motion),
        lambda answer: _acceleration_error(PointSet(_in_world(motion, answer), answer.valid), X),
    )
