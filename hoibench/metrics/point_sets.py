"""Masked point sets: their checks, and the one order of means that all motion metrics share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.metrics.measurement import Undefined


@dataclass(frozen=True, eq=False)
class PointSet:
    """PointSet that answer for the truth's, one for one.

    Attributes:
        xyz: (V, N, K, 3) float64, metres; zero where not valid.
        valid: (V, N, K) bool, whether there is an answer.
    """

    xyz: Array
    valid: Array

    def scaled(self, scales: Array) -> PointSet:
        """The points times a factor a view, (V,)."""
        return PointSet(self.xyz * scales[:, None, None, None], self.valid)


def check_points(name: str, xyz: Array, valid: Array | None) -> PointSet:
    """Checked points in float64; None for ``valid`` means that all are.

    Raises:
        ValueError: a shape is wrong, or a valid point holds NaN or infinity; names the array, the value and the place.
    """
    check_shape(name, xyz, ("V", "N", "K", 3))
    if valid is None:
        valid = np.ones(xyz.shape[:3], dtype=bool)
    check_shape(f"the mask of {name}", valid, xyz.shape[:3])
    valid = np.asarray(valid, dtype=bool)
    bad = valid & ~np.isfinite(xyz).all(axis=-1)
    if bad.any():
        v, n, k = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} holds {xyz[v, n, k].tolist()} at view {v}, frame {n}, point {k} ({int(bad.sum())} such points in all): "
            "mark points that are missing false in its mask"
        )
    return PointSet(np.where(valid[..., None], xyz, 0.0).astype(np.float64), valid)


def check_points_and_truth(pred: Array, truth: Array, mask: Array, valid: Array | None) -> tuple[PointSet, PointSet]:
    """Checked (prediction, truth) of one shape (V, N, K, 3); the truth's ``valid`` is ``mask``.

    Raises:
        ValueError: the shapes differ, or a point that counts holds NaN or infinity.
    """
    known = check_points("truth", truth, mask)
    check_shape("pred", pred, known.xyz.shape)
    return check_points("pred", pred, valid), known


def check_points_and_world(
    pred: Array, world: Array, mask: Array, valid: Array | None
) -> tuple[PointSet, Array, Array]:
    """Checked prediction (V, N, K, 3), true world points (N, K, 3) in float64, and mask (V, N, K).

    Raises:
        ValueError: the shapes do not fit, or a point holds NaN or infinity.
    """
    truth = check_points("world", world[None], None).xyz[0]
    check_shape("pred", pred, ("V", *truth.shape))
    check_shape("mask", mask, pred.shape[:3])
    return check_points("pred", pred, valid), truth, np.asarray(mask, dtype=bool)


@dataclass(frozen=True, eq=False)
class Means:
    """A mean of means, with its parts.

    Attributes:
        value: the mean over groups (views, or pairs of views) that have one.
        groups: (G,) each group's mean over its frames, NaN where it has none.
        scored: (G,) frames that entered each group's mean.
        frames: N, the frames there could be.
    """

    value: float
    groups: Array
    scored: Array
    frames: int

    @property
    def n_scored(self) -> int:
        """Frames that entered, over all groups."""
        return int(self.scored.sum())

    @property
    def n_expected(self) -> int:
        """Frames there could be, over all groups."""
        return self.frames * len(self.groups)


def mean_of_means(error: Array, mask: Array) -> Means:
    """mean_g mean_n [ sum_k m e / sum_k m ]: over points, then over frames, then over groups, each set counting once.

    Args:
        error: (G, N, K) per point; not read where ``mask`` is false.
        mask: (G, N, K) bool, true for the points that count.  Frames without any are dropped, then groups without frames.

    Raises:
        Undefined: no point counts at all.

    Source: the order of means of GeometryCrafter's point metrics (TencentARC/GeometryCrafter:evaluation/eval.py), with views outermost.
    """
    count = mask.sum(axis=-1)
    total = np.where(mask, error, 0.0).sum(axis=-1)
    scored = (count > 0).sum(axis=-1)
    if not scored.any():
        raise Undefined("no true point counts in any frame")
    frame_means = np.divide(total, count, out=np.zeros(count.shape), where=count > 0)
    groups = np.full(len(scored), np.nan)
    np.divide(frame_means.sum(axis=-1), scored, out=groups, where=scored > 0)
    return Means(float(groups[scored > 0].mean()), groups, scored, mask.shape[1])
