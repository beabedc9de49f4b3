"""Rigid fits: the rotation and translation that bring points nearest to others, many sets at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, check_mask, check_shape

_UNDETERMINED = 1e-5
"""A rotation is undetermined below this ratio of the targets' spread to the sources': less is the rounding of float32."""


@dataclass(frozen=True, eq=False)
class RigidFits:
    """Rigid transforms x -> R x + t of many sets of points; (...) are the sets.

    Attributes:
        R: (..., 3, 3) rotations.
        t: (..., 3) translations.
        determined: (...) bool, false where the targets do not determine a rotation: fewer than three, on one line or in one place.
    """

    R: Array
    t: Array
    determined: Array

    def apply(self, points: Array) -> Array:
        """Return points (..., K, 3), or (K, 3) for all sets alike, transformed: (..., K, 3)."""
        moved: Array = points @ self.R.mT + self.t[..., None, :]
        return moved


def fit_rigid(source: Array, target: Array, mask: Array) -> RigidFits:
    """Return the rotations R, det R = +1, and translations t that minimise sum_k m |R x + t - p|^2 in every set.

    Args:
        source: x, (..., K, 3) points, or (K, 3) if all sets have the same.
        target: p, (..., K, 3) points.
        mask: m, (..., K) bool, the points to fit; the others may have any finite values.

    Raises:
        ValueError: the shapes differ, or ``mask`` is not bool.

    Source: Kabsch, A solution for the best rotation to relate two sets of vectors (1976), with the sign of Umeyama (1991).

    >>> x = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0]])
    >>> p = np.array([[1.0, 0, 0], [1, 1, 0], [-1, 0, 0]])  # a quarter turn about z, and a step along x
    >>> fit = fit_rigid(x, p, np.ones(3, dtype=bool))
    >>> bool(np.abs(fit.apply(x) - p).max() < 1e-12)
    True
    """
    check_shape("target", target, (*mask.shape, 3))
    check_mask("mask", mask, target.shape[:-1])
    if source.shape not in (target.shape, target.shape[-2:]):
        raise ValueError(f"source has shape {source.shape}, expected {target.shape} or {target.shape[-2:]}")
    weight = mask[..., None] / np.maximum(mask.sum(axis=-1), 1)[..., None, None]
    source_mean, target_mean = ((weight * points).sum(axis=-2, keepdims=True) for points in (source, target))
    x, p = source - source_mean, target - target_mean
    U, S, Vt = np.linalg.svd((weight * x).mT @ p)
    sign = np.sign(np.linalg.det(U @ Vt))
    Vt[..., 2, :] *= sign[..., None]
    R = Vt.mT @ U.mT
    t = (target_mean - source_mean @ R.mT)[..., 0, :]
    # The best rotation is unique if the two smallest singular values, the last with the determinant's sign, do not cancel.
    determined = S[..., 1] + sign * S[..., 2] > _UNDETERMINED * (weight * np.square(x)).sum(axis=(-2, -1))
    return RigidFits(R, t, determined)


def rotation_angle(a: Array, b: Array) -> Array:
    """Return the angle between rotations (..., 3, 3), in degrees from 0 to 180; exact for small and for large angles."""
    turn = a @ b.mT
    twice_sine = np.stack([turn[..., i, j] - turn[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))], axis=-1)
    angle: Array = np.degrees(np.arctan2(np.linalg.norm(twice_sine, axis=-1), np.trace(turn, axis1=-2, axis2=-1) - 1.0))
    return angle


def axis_angle(a: Array, b: Array) -> Array:
    """Return the angle between vectors (..., 3), in degrees from 0 to 180; exact for small and for large angles."""
    sine = np.linalg.norm(np.cross(a, b), axis=-1)
    angle: Array = np.degrees(np.arctan2(sine, (a * b).sum(axis=-1)))
    return angle
