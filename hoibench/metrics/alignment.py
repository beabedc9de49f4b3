"""Alignment: the least-squares scale factor that a method's declared scale allows.

Motion metrics compare sP with X: P predicted and X true points in camera space.  A method declares its scale ``metric`` (s = 1),
``shared`` (one s per clip) or ``per_view`` (one s per view).  No rotation and no shift is fitted.
"""

from __future__ import annotations

import numpy as np

from hoibench.clip import SCALES, Array, Scale, check_mask, check_shape
from hoibench.metrics.measurement import Failed

MIN_POINTS = 10
ALIGNMENTS: dict[Scale, str] = {"metric": "none", "shared": "shared", "per_view": "per_view"}
"""``alignment`` column of a row, by declared scale."""


def fit_scale(pred: Array, truth: Array, mask: Array) -> float:
    """Return the scale s = sum m<P,X> / sum m<P,P>, which minimises sum m |sP - X|^2.

    Args:
        pred: (..., 3) predicted points, camera space.
        truth: (..., 3) true points, camera space, metres.
        mask: (...) bool, true for points that have both.

    Raises:
        Failed: there are under 10 points, or s is not positive.
        ValueError: the shapes differ, or ``mask`` is not bool.

    Source: GeometryCrafter's alignment, one factor and no shift (TencentARC/GeometryCrafter:evaluation/eval.py), unweighted.

    >>> truth = np.random.default_rng(0).normal(size=(20, 3))
    >>> round(fit_scale(truth / 2, truth, np.ones(20, dtype=bool)), 6)
    2.0
    """
    check_mask("mask", mask, pred.shape[:-1])
    check_shape("truth", truth, pred.shape)
    P, X = pred[mask].astype(np.float64), truth[mask].astype(np.float64)
    if len(P) < MIN_POINTS:
        raise Failed(f"{len(P)} true points have a valid prediction; fitting a scale needs at least {MIN_POINTS}")
    square = float(np.square(P).sum())
    s = float((P * X).sum()) / square if square > 0 else 0.0
    if not (s > 0 and np.isfinite(s)):
        raise Failed(
            f"the fitted scale is {s:.4g}, expected a positive number: check the axes (OpenCV, z forward) and the unit of the tracks"
        )
    return s


def fit_scales(scale: Scale, pred: Array, truth: Array, mask: Array, valid: Array) -> Array:
    """Return the factor of each view, (V,): 1 for ``metric``, one for all views for ``shared``, or one per view.

    Args:
        scale: the scale that the method declares.
        pred: (V, N, K, 3) predicted points, camera space.
        truth: (V, N, K, 3) true points, camera space, metres.
        mask: (V, N, K) bool, the true points that count.  A view without such points is not scored; its factor stays 1.
        valid: (V, N, K) bool, false where a prediction is missing.

    Raises:
        Failed: see ``fit_scale``.
        ValueError: ``scale`` is unknown.

    >>> truth = np.random.default_rng(0).normal(size=(2, 1, 20, 3))
    >>> pred = truth / np.array([2.0, 4.0])[:, None, None, None]
    >>> everywhere = np.ones((2, 1, 20), dtype=bool)
    >>> fit_scales("per_view", pred, truth, everywhere, everywhere).round(6).tolist()
    [2.0, 4.0]
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
