"""Alignment: the one least-squares factor that a method's declared scale allows."""

from __future__ import annotations

import numpy as np

from hoibench.clip import SCALES, Array, Scale, check_shape
from hoibench.metrics.measurement import Failed

MIN_POINTS = 10
ALIGNMENTS: dict[Scale, str] = {"metric": "none", "shared": "shared", "per_view": "per_view"}
"""The word on a row for each declared scale."""


def fit_scale(pred: Array, truth: Array, mask: Array) -> float:
    """The scale s = sum m<P,X> / sum m<P,P> that minimises sum m |sP - X|^2.

    Args:
        pred: (..., 3) predicted points, camera space.
        truth: (..., 3) true points, camera space, metres.
        mask: (...) bool, true where both hold a point.

    Raises:
        Failed: under 10 points, or s is not positive.

    Source: GeometryCrafter's alignment, one factor and no shift (TencentARC/GeometryCrafter:evaluation/eval.py), unweighted.
    """
    check_shape("mask", mask, pred.shape[:-1])
    check_shape("truth", truth, pred.shape)
    P, X = pred[mask].astype(np.float64), truth[mask].astype(np.float64)
    if len(P) < MIN_POINTS:
        raise Failed(f"{len(P)} predicted points meet the truth, a scale needs at least {MIN_POINTS}")
    square = float(np.square(P).sum())
    s = float((P * X).sum()) / square if square > 0 else 0.0
    if not (s > 0 and np.isfinite(s)):
        raise Failed(
            f"the fitted scale is {s:.4g}, not positive: check the axes (OpenCV, z forward) and the unit of the tracks"
        )
    return s


def fit_scales(scale: Scale, pred: Array, truth: Array, mask: Array, valid: Array) -> Array:
    """The factor of each view, (V,), as the declared ``scale`` allows: 1 for ``metric``, one for all, or one a view.

    Args:
        scale: what the method declares.
        pred: (V, N, K, 3) predicted points, camera space.
        truth: (V, N, K, 3) true points, camera space, metres.
        mask: (V, N, K) bool, m.
        valid: (V, N, K) bool, where there is a prediction.

    A view in which the truth has no point is not scored, so that its factor stays 1.

    Raises:
        Failed: see ``fit_scale``.
        ValueError: ``scale`` is no declared scale.
    """
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}, expected one of {', '.join(SCALES)}")
    scales = np.ones(len(pred))
    both = mask & valid
    if scale == "shared":
        scales[:] = fit_scale(pred, truth, both)
    elif scale == "per_view":
        for v in np.flatnonzero(mask.any(axis=(1, 2))):
            scales[v] = fit_scale(pred[v], truth[v], both[v])
    return scales
