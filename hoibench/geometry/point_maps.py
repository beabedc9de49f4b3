"""Point maps, i.e. a 3D position for each pixel: made from depth, and the camera that fits one."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.geometry.projection import unproject

MIN_PIXELS = 16
"""Smallest number of pixels to fit intrinsics to."""
MAX_RESIDUAL = 2.0
"""Pixels: the largest median distance between a pixel and the projection of its position."""
_KEPT = 0.8
_ROUNDS = 10


def points_from_depth(depth: Array, K: Array) -> Array:
    """Return the camera-space positions (..., h, w, 3) at the pixels of depth maps (..., h, w).

    Args:
        depth: z of each pixel.
        K: (3, 3) intrinsics in pixels of the maps.

    >>> points_from_depth(np.full((2, 3), 2.0), np.array([[100.0, 0, 1], [0, 100, 0], [0, 0, 1]]))[1].tolist()
    [[-0.02, 0.02, 2.0], [0.0, 0.02, 2.0], [0.02, 0.02, 2.0]]
    """
    h, w = depth.shape[-2:]
    v, u = np.mgrid[:h, :w].reshape(2, -1)
    points: Array = unproject(np.stack([u, v], axis=-1), depth.reshape(*depth.shape[:-2], -1), K)
    return points.reshape(*depth.shape, 3)


def fit_intrinsics(points: Array) -> Array:
    """Return the intrinsics (3, 3) without skew that project a point map to its pixels, by trimmed least squares of u on x / z and v on y / z.

    Each fit is repeated on the 80 % of the pixels that are nearest to it.

    Args:
        points: (h, w, 3) camera-space positions; those that are not finite or not in front of the camera are left out.

    Raises:
        ValueError: there are under 16 points, or the median residual is over 2 pixels, so that no pinhole camera fits.

    >>> K = np.array([[100.0, 0, 4.5], [0, 90, 3.5], [0, 0, 1]])
    >>> points = points_from_depth(np.linspace(1.0, 2.0, 80).reshape(8, 10), K)
    >>> bool(np.allclose(fit_intrinsics(points), K))
    True
    """
    check_shape("points", points, ("h", "w", 3))
    v, u = np.nonzero(np.isfinite(points).all(axis=-1) & (points[..., 2] > 0))
    if len(u) < MIN_PIXELS:
        raise ValueError(
            f"{len(u)} positions are finite and in front of the camera; fitting intrinsics needs at least {MIN_PIXELS}"
        )
    xyz = points[v, u].astype(np.float64)
    K = np.eye(3)
    residual = np.zeros((len(u), 2))
    for axis, pixel in enumerate((u, v)):
        ray = xyz[:, axis] / xyz[:, 2]
        K[axis, axis], K[axis, 2] = _fit_line(ray, pixel)
        residual[:, axis] = K[axis, axis] * ray + K[axis, 2] - pixel
    median = float(np.median(np.linalg.norm(residual, axis=-1)))
    if not (median <= MAX_RESIDUAL and K[0, 0] > 0 and K[1, 1] > 0):
        raise ValueError(
            f"no pinhole camera fits the point map: its best has focal lengths {K[0, 0]:.4g} and {K[1, 1]:.4g} px and a median residual of "
            f"{median:.3g} px, expected positive focal lengths and at most {MAX_RESIDUAL:g} px"
        )
    return K


def _fit_line(x: Array, y: Array) -> tuple[float, float]:
    """Return slope and intercept of y on x by least squares over the points nearest to the line; both 0 if x is constant."""
    chosen = np.ones(len(x), dtype=bool)
    slope = intercept = 0.0
    for _ in range(_ROUNDS):
        offset = x[chosen] - x[chosen].mean()
        square = float(np.square(offset).sum())
        slope = float((offset * y[chosen]).sum()) / square if square > 0 else 0.0
        intercept = float(y[chosen].mean() - slope * x[chosen].mean())
        distance = np.abs(slope * x + intercept - y)
        chosen = distance <= np.quantile(distance, _KEPT)
    return slope, intercept
