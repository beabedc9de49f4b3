"""Alignment: the least-squares scale factor, and shift, between predicted and true points, as far as the scale that a method declares allows.

Motion metrics compare sP + t with X: P predicted and X true points in camera space.  A method declares its scale ``metric`` (s = 1),
``shared`` (one s per clip), ``per_view`` (one s per view) or ``scale_shift`` (one s and one shift t per view; t = 0 for the others).  No rotation
is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import SCALES, Array, Scale, check_mask, check_shape
from hoibench.metrics.measurement import Failed
from hoibench.metrics.point_sets import PointSet, mask_points

MIN_POINTS = 10


@dataclass(frozen=True, eq=False)
class Alignment:
    """The scale factor and the shift that bring each view's prediction P to the truth: s P + t.

    Attributes:
        kind: what was fitted, the field ``alignment`` of a result: ``none``, ``shared``, ``per_view`` or ``scale_shift``.
        scales: (V,) the factor s of each view.
        shifts: (V, 3) the shift t of each view, metres, camera space; None without a shift.
    """

    kind: str
    scales: Array
    shifts: Array | None = None

    def apply(self, pred: PointSet) -> PointSet:
        """Return the aligned points of all views."""
        return mask_points(np.stack([self.apply_to_view(xyz, v) for v, xyz in enumerate(pred.xyz)]), pred.valid)

    def apply_to_view(self, points: Array, v: int) -> Array:
        """Return aligned points (..., 3) of the view with index v."""
        scaled: Array = points * self.scales[v]
        return scaled if self.shifts is None else scaled + self.shifts[v]


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
    return _fit_factor(*_chosen_points(pred, truth, mask))


def fit_scale_shift(pred: Array, truth: Array, mask: Array) -> tuple[float, Array]:
    """Return the factor s and the shift t, (3,), that minimise sum m |sP + t - X|^2 over predicted points P and true points X.

    Arguments and errors as ``fit_scale``.

    Source: MotionCrafter's alignment of camera-space points (TencentARC/MotionCrafter:evaluation/eval.py), unweighted.

    >>> truth = np.random.default_rng(0).normal(size=(20, 3))
    >>> s, t = fit_scale_shift(truth / 2 - 0.25, truth, np.ones(20, dtype=bool))
    >>> round(s, 6), t.round(6).tolist()
    (2.0, [0.5, 0.5, 0.5])
    """
    P, X = _chosen_points(pred, truth, mask)
    s = _fit_factor(P - P.mean(axis=0), X - X.mean(axis=0))
    return s, X.mean(axis=0) - s * P.mean(axis=0)


def fit_alignment(scale: Scale, pred: Array, truth: Array, mask: Array, valid: Array) -> Alignment:
    """Return the scale factors, and shifts, that align each view's prediction with the truth.

    Args:
        scale: the scale that the method declares: ``metric`` (metres: all factors are 1), ``shared`` (one factor for all views), ``per_view`` or
            ``scale_shift`` (a factor and a shift per view).
        pred: (V, N, K, 3) predicted points, camera space.
        truth: (V, N, K, 3) true points, camera space, metres.
        mask: (V, N, K) bool, the true points that count.  A view without such points is not scored; its factor stays 1 and its shift 0.
        valid: (V, N, K) bool, false where a prediction is missing.

    Raises:
        Failed: see ``fit_scale``.
        ValueError: ``scale`` is unknown.

    >>> truth = np.random.default_rng(0).normal(size=(2, 1, 20, 3))
    >>> pred = truth / np.array([2.0, 4.0])[:, None, None, None]
    >>> everywhere = np.ones((2, 1, 20), dtype=bool)
    >>> fit_alignment("per_view", pred, truth, everywhere, everywhere).scales.round(6).tolist()
    [2.0, 4.0]
    """
    if scale not in SCALES:
        raise ValueError(f"scale is {scale!r}, expected one of {', '.join(SCALES)}")
    scales, shifts = np.ones(len(pred)), np.zeros((len(pred), 3))
    both = mask & valid
    if scale == "metric":
        return Alignment("none", scales)
    if scale == "shared":
        scales[:] = fit_scale(pred, truth, both)
        return Alignment(scale, scales)
    for v in np.flatnonzero(mask.any(axis=(1, 2))):
        if scale == "per_view":
            scales[v] = fit_scale(pred[v], truth[v], both[v])
        else:
            scales[v], shifts[v] = fit_scale_shift(pred[v], truth[v], both[v])
    return Alignment(scale, scales, shifts if scale == "scale_shift" else None)


def _chosen_points(pred: Array, truth: Array, mask: Array) -> tuple[Array, Array]:
    """Return the predicted and the true points of a mask, both (P, 3) float64; raise ``Failed`` if there are too few."""
    check_mask("mask", mask, pred.shape[:-1])
    check_shape("truth", truth, pred.shape)
    P, X = pred[mask].astype(np.float64), truth[mask].astype(np.float64)
    if len(P) < MIN_POINTS:
        raise Failed(f"{len(P)} true points have a valid prediction; fitting a scale needs at least {MIN_POINTS}")
    return P, X


def _fit_factor(P: Array, X: Array) -> float:
    square = float(np.square(P).sum())
    s = float((P * X).sum()) / square if square > 0 else 0.0
    if not (s > 0 and np.isfinite(s)):
        raise Failed(
            f"the fitted scale is {s:.4g}, expected a positive number: check the axes (OpenCV, z forward) and the unit of the tracks"
        )
    return s
