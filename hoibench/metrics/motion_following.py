"""motion_following: the share of the true motion that a prediction makes, 0 if it stands still and 1 if it moves as the truth does.

Formula:    sum m <dP, dX> / sum m <dX, dX>,  dP[n] = sP[n] - sP[0],  dX[n] = X[n] - X[0], over all views, frames and points
Points:     P predicted, X true, both in the world, so that a moving camera adds nothing, metres; P in the order of X (``pairing``); s the
            alignment's scale (``alignment``).
Counted:    m: visible in the view in frame 0 and in frame n (``TrueTracks.mask``).
Missing:    dP = 0, as if the point stood still.
Card:       cards/motion.toml
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.clip import PARTS, Array
from hoibench.metrics.aligned_motion import AlignedMotion, align_motion
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Undefined
from hoibench.metrics.point_sets import NO_TRUE_POINT, PointSet, check_prediction_and_truth
from hoibench.metrics.true_tracks import cameras_to_world

LEAST_MOTION = 1e-3
"""Metres: true points with a smaller RMS displacement from frame 0 are at rest, within the accuracy of a recording."""
AT_REST = "the true points are at rest"


def motion_following(pred: Array, truth: Array, mask: Array, valid: Array | None = None) -> float:
    """Return the share of the true displacement from frame 0 that the prediction follows: sum m <dP, dX> / sum m <dX, dX>, no unit.

    It is 0 for a prediction that stands still, drifts or jitters independently of the truth, and negative for one that moves against it.

    Args:
        pred: P, (V, N, K, 3) metres, already aligned, in a frame of reference that does not move.
        truth: X, (V, N, K, 3) metres, in the same frame of reference.
        mask: m, (V, N, K) bool, the true points that count; those that it leaves out in frame 0 are left out in all frames.
        valid: (V, N, K) bool, false where a prediction is missing: a point without a prediction there or in frame 0 counts as standing still.  None
            means that all are valid.

    Raises:
        ValueError: shapes differ, or a point that counts is not finite.
        Undefined: the RMS displacement of the true points is under 1 mm.

    Source: the coefficient of the true displacement in a least-squares fit of the predicted one.

    >>> x = np.arange(5.0)
    >>> truth = np.stack([x, 0 * x, 0 * x], axis=-1)[None, :, None]
    >>> everywhere = np.ones((1, 5, 1), dtype=bool)
    >>> [motion_following(pred, truth, everywhere) for pred in (0.5 * truth, truth[:, :1] + 0 * truth, truth[..., ::-1])]
    [0.5, 0.0, 0.0]
    """
    share = follow(*check_prediction_and_truth(pred, truth, mask, valid), mask)
    if share is None:
        raise Undefined(AT_REST)
    return share


def follow(pred: PointSet, truth: PointSet, mask: Array) -> float | None:
    """Return the share, or None if the RMS displacement of the true points of the mask is under 1 mm."""
    d_pred, d_truth = displacements(pred, truth, mask)
    total = float(np.square(d_truth).sum())
    if not len(d_truth) or total < LEAST_MOTION**2 * len(d_truth):
        return None
    return float((d_pred * d_truth).sum()) / total


def displacements(pred: PointSet, truth: PointSet, mask: Array) -> tuple[Array, Array]:
    """Return dP and dX, (P, 3) metres, of the P points, views and frames of the mask that it does not leave out in frame 0; dP = 0 if missing."""
    mask = mask & mask[:, :1]
    found = pred.valid & pred.valid[:, :1]
    d_pred = np.where(found[..., None], pred.xyz - pred.xyz[:, :1], 0.0)
    return d_pred[mask], (truth.xyz - truth.xyz[:, :1])[mask]


def motion_in_world(motion: AlignedMotion) -> tuple[PointSet, PointSet]:
    """Return the aligned prediction and the true points that count, both in the world."""
    truth = motion.truth
    pred = PointSet(cameras_to_world(motion.pred.xyz, truth.cameras), motion.pred.valid)
    return pred, PointSet(np.broadcast_to(truth.world, truth.points.shape), truth.mask)


def measure_motion_following(case: Case) -> Iterator[Measurement]:
    """Yield the measurements of motion_following@1 (no unit; not ranked; unbounded): one per view, one per part, then the clip's."""
    motion = align_motion(case)
    truth, (pred, world) = motion.truth, motion_in_world(motion)
    views = np.arange(len(truth.views))[:, None, None]
    places: list[tuple[dict[str, str], Array]] = [({"view": view}, views == v) for v, view in enumerate(truth.views)]
    places += [({"part": part}, truth.part == index) for index, part in enumerate(PARTS)]
    for place, chosen in [*places, ({}, views >= 0)]:
        mask = truth.mask & chosen
        share, expected = follow(pred, world, mask), int(mask.sum())
        yield motion.measurement_or_undefined(
            share if share is not None else AT_REST if expected else NO_TRUE_POINT,
            **place,
            n_scored=int(mask.any(axis=-1).sum()),
            n_expected=mask.shape[1] * (1 if "view" in place else len(mask)),
            coverage=int((mask & pred.valid).sum()) / expected if expected else None,
        )
