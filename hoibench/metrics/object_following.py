"""object_following: whether tool and target move as they do in truth: 1 if they do, 0 if one of them stands still or moves twice as far.

Formula:    min_o max(0, 1 - |1 - r_o|), r_o the median of <dP, dX> / <dX, dX> over all views, frames and points of the object o, weighted by
            <dX, dX>;  dP[n] = sP[n] - sP[0],  dX[n] = X[n] - X[0]
Points:     as in ``motion_following``.
Counted:    objects that move 1 cm or more, by the RMS of dX; their points as in ``motion_following``.
Missing:    dP = 0, as if the point stood still.
Card:       cards/interaction.toml
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.clip import PARTS, Array
from hoibench.metrics.aligned_motion import align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.motion_following import displacements, motion_in_world
from hoibench.metrics.point_sets import PointSet, check_prediction_and_truth
from hoibench.rigid_object import OBJECT_PARTS

LEAST_MOTION = 1e-2
"""Metres: an object with a smaller RMS displacement is not asked to follow, since errors of its points would decide its share."""
AT_REST = "it moves less than 1 cm, or is not visible"


def object_following(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return how far an object moves as the true one does, 0 to 1: 1 - |1 - r| for the share r of its true motion that most of its points make.

    r is a median, so that a few frames or points that fly far off do not stand for the others.

    Args:
        pred: (V, N, K, 3) points of the object, metres, already aligned, in a frame of reference that does not move.
        truth: (V, N, K, 3) metres, in the same frame of reference.
        mask: (V, N, K) bool, the true points that count; those that it leaves out in frame 0 are left out in all frames.
        valid: (V, N, K) bool, false where a prediction is missing: a point without a prediction there or in frame 0 counts as standing still.  None
            means that all are valid.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the RMS displacement of the true points is under 1 cm.

    >>> x = np.arange(5.0)
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> everywhere = np.ones((1, 5, 1), dtype=bool)
    >>> [object_following(pred, truth, everywhere) for pred in (truth, 0.75 * truth, 0 * truth, 1.25 * truth, 100 * truth)]
    [1.0, 0.75, 0.0, 0.75, 0.0]
    """
    followed = _follow(*check_prediction_and_truth(pred, truth, mask, valid), mask)
    if followed is None:
        raise Undefined(AT_REST)
    return followed


def _follow(pred: PointSet, truth: PointSet, mask: Array) -> float | None:
    d_pred, d_truth = displacements(pred, truth, mask)
    weight = np.square(d_truth).sum(axis=-1)
    if not len(weight) or weight.mean() < LEAST_MOTION**2:
        return None
    moving = weight > 0.0
    share = (d_pred * d_truth).sum(axis=-1)[moving] / weight[moving]
    return max(0.0, 1.0 - abs(1.0 - _weighted_median(share, weight[moving])))


def _weighted_median(values: Array, weights: Array) -> float:
    """Return the smallest of the values (P,) up to which the weights (P,) make up half of their sum or more."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2.0)])


def measure_object_following(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of object_following@1 (no unit; not ranked; 0 to 1): one per object, then the least of them, the clip's."""
    motion = align_motion(case)
    truth, (pred, world) = motion.truth, motion_in_world(motion)
    shares = {PARTS[index]: _follow(pred, world, truth.mask & (truth.part == index)) for index in OBJECT_PARTS}
    for part, share in shares.items():
        yield motion.measurement_or_undefined(AT_REST if share is None else share, part=part)
    moving = [share for share in shares.values() if share is not None]
    if not moving:
        raise Undefined("tool and target move less than 1 cm, or are not visible")
    yield motion.measurement(min(moving))
