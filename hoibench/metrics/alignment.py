"""Alignment: the least-squares scale factor between predicted and true points, fitted as far as the scale that a method declares allows.

Motion metrics compare sP with X: P predicted and X true points in camera space.  A method declares its scale ``metric`` (s = 1),
``shared`` (one s per clip) or ``per_view`` (one s per view).  No rotation and no shift is fitted.
"""

from __future__ import annotations

import numpy as np

from hoibench.clip import SCALES, Array, Scale, check_mask, check_shape
from hoibench.metrics.measurement import Failed

MIN_POINTS = 10
ALIGNMENTS: dict[Scale, str] = {
    "metric": "none",
    "shared": "shared",
    "per_view": "per_view",
    "scale_shift": "scale_shift",
}
"""The field ``alignment`` of a result, by the scale that the method declares."""


def fit_scale(pred: Array, truth: Array, mask: Array) -> float:
    """Return the factor s that brings predicted points P nearest to true points X: s = sum m<P,X> / sum m<P,P> minimises sum m |sP - X|^2.

    Args:
        pred: P, (..., 3) predicted points, camera space.
        truth: X, (..., 3) true points, camera space, metres.
        mask: m, (...) bool, true for the points to fit.

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
    """Return the scale factor that aligns each view's prediction with the truth, (V,).

    Args:
        scale: the scale that the method declares: ``metric`` (metres: all factors are 1), ``shared`` (one factor for all views) or ``per_view``.
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
    if scale == "scale_shift":
        raise NotImplementedError
    scales = np.ones(len(pred))
    both = mask & valid
    if scale == "shared":
        scales[:] = fit_scale(pred, truth, both)
    elif scale == "per_view":
        for v in np.flatnonzero(mask.any(axis=(1, 2))):
            scales[v] = fit_scale(pred[v], truth[v], both[v])
    return scales
