"""Point sets with missing points: input checks of the metrics on plain arrays, and the mean of means that motion metrics share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera, check_mask, check_shape
from hoibench.metrics.measurement import Undefined

NO_TRUE_POINT = "no true point is visible in any frame"


@dataclass(frozen=True, eq=False)
class PointSet:
    """Points of every view and frame, some of them missing.

    Attributes:
        xyz: (V, N, K, 3) float64, metres; zero where not valid.
        valid: (V, N, K) bool, false where a point is missing.
    """

    xyz: Array
    valid: Array


def mask_points(xyz: Array, valid: Array | None) -> PointSet:
    """Return (V, N, K, 3) points as a ``PointSet``: float64, with zeros where ``valid``, (V, N, K), is false; None means that all are valid."""
    valid = np.ones(xyz.shape[:3], dtype=bool) if valid is None else valid
    return PointSet(np.where(valid[..., None], xyz, 0.0).astype(np.float64), valid)


def check_points(name: str, xyz: Array, valid: Array | None) -> PointSet:
    """Check (V, N, K, 3) points and their (V, N, K) mask (None: all valid), and return them as a ``PointSet``; ``name`` is used in messages.

    Raises:
        ValueError: a shape is wrong, the mask is not bool, or a valid point is NaN or infinite; the message names array, value and index.
    """
    check_shape(name, xyz, ("V", "N", "K", 3))
    if valid is not None:
        check_mask(f"the mask of {name}", valid, xyz.shape[:3])
    points = mask_points(xyz, valid)
    bad = ~np.isfinite(points.xyz).all(axis=-1)
    if bad.any():
        v, n, k = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} has {xyz[v, n, k].tolist()} at view {v}, frame {n}, point {k} ({int(bad.sum())} such points in all): "
            "set missing points to false in its mask"
        )
    return points


def check_prediction_and_truth(
    pred: Array, truth: Array, mask: Array, valid: Array | None
) -> tuple[PointSet, PointSet]:
    """Check a prediction and the truth, both (V, N, K, 3), and return them as two point sets.

    Args:
        pred: predicted points.
        truth: true points.
        mask: (V, N, K) bool, the true points that count; becomes the truth's ``valid``.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.

    Raises:
        ValueError: the shapes differ, a mask is not bool, or a point that counts is NaN or infinite.
    """
    true_points = check_points("truth", truth, mask)
    check_shape("pred", pred, true_points.xyz.shape)
    return check_points("pred", pred, valid), true_points


def check_prediction_and_world(
    pred: Array, world: Array, cameras: Sequence[Camera], mask: Array, valid: Array | None
) -> tuple[PointSet, Array, Array]:
    """Check the inputs of a metric that compares a prediction with true points in the world.

    Args:
        pred: (V, N, K, 3) predicted points.
        world: (N, K, 3) true points in the world.
        cameras: the V cameras.
        mask: (V, N, K) bool, the true points that count.
        valid: (V, N, K) bool, false where a prediction is missing.  None means that all are valid.

    Returns:
        The prediction as a ``PointSet``, ``world`` as float64, and ``mask``.

    Raises:
        ValueError: the shapes do not fit, a mask is not bool, or a point that counts is NaN or infinite.
    """
    truth = check_points("world", world[None], None).xyz[0]
    check_shape("pred", pred, (len(cameras), *truth.shape))
    check_mask("mask", mask, pred.shape[:3])
    return check_points("pred", pred, valid), truth, mask


@dataclass(frozen=True, eq=False)
class Means:
    """The result of ``mean_of_means`` or ``pooled_mean``: an overall mean, and the mean of each of G groups (views, or pairs of views).

    Attributes:
        value: the mean over the groups that have a mean, or over all points.
        groups: (G,) each group's mean, NaN for a group without frames.
        scored: (G,) number of frames in each group's mean.
        frames: N, the number of frames of the clip.
    """

    value: float
    groups: Array
    scored: Array
    frames: int

    @property
    def n_scored(self) -> int:
        """The number of frames in the groups' means, summed over the groups."""
        return int(self.scored.sum())

    @property
    def n_expected(self) -> int:
        """The largest possible ``n_scored``: the number of frames times the number of groups."""
        return self.frames * len(self.groups)


def mean_of_means(error: Array, mask: Array) -> Means:
    """Average an error over points k, then frames n, then groups g (views, or pairs of views): mean_g mean_n [ sum_k m e / sum_k m ].

    Every frame weighs the same in its group and every group the same in the result, whatever their numbers of points.

    Args:
        error: (G, N, K) error of each point; ignored where ``mask`` is false.
        mask: (G, N, K) bool, true for the points that count.  Frames without such points are dropped, then groups without frames.

    Raises:
        Undefined: no point counts.

    Source: the order of means of GeometryCrafter's point metrics (TencentARC/GeometryCrafter:evaluation/eval.py), with views outermost.

    >>> error = np.array([[[1.0, 3.0], [10.0, 99.0]]])  # one view, two frames, two points
    >>> mean_of_means(error, np.array([[[True, True], [True, False]]])).value
    6.0
    """
    count = mask.sum(axis=-1)
    total = np.where(mask, error, 0.0).sum(axis=-1)
    scored = (count > 0).sum(axis=-1)
    if not scored.any():
        raise Undefined(NO_TRUE_POINT)
    frame_means = np.divide(total, count, out=np.zeros(count.shape), where=count > 0)
    groups = np.full(len(scored), np.nan)
    np.divide(frame_means.sum(axis=-1), scored, out=groups, where=scored > 0)
    return Means(float(groups[scored > 0].mean()), groups, scored, mask.shape[1])


def pooled_mean(error: Array, mask: Array) -> Means:
    """Average an error over all points, frames and groups (views, or pairs of views) at once, so that every point weighs the same.

    Arguments and errors as ``mean_of_means``.

    >>> error = np.array([[[1.0, 3.0], [10.0, 99.0]]])
    >>> round(pooled_mean(error, np.array([[[True, True], [True, False]]])).value, 3)
    4.667
    """
    if not mask.any():
        raise Undefined(NO_TRUE_POINT)
    counts, totals = mask.sum(axis=(1, 2)), np.where(mask, error, 0.0).sum(axis=(1, 2))
    groups = np.divide(totals, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    return Means(float(totals.sum() / counts.sum()), groups, (mask.any(axis=-1)).sum(axis=-1), mask.shape[1])
