"""Point maps, i.e. a 3D position for each pixel: made from depth, and the camera that fits one."""

from __future__ import annotations

from hoibench.clip import Array


def points_from_depth(depth: Array, K: Array) -> Array:
    """Return the camera-space positions (..., h, w, 3) at the pixels of depth maps (..., h, w).

    Args:
        depth: z of each pixel.
        K: (3, 3) intrinsics in pixels of the maps.
    """
    raise NotImplementedError


def fit_intrinsics(points: Array, valid: Array) -> Array:
    """Return the intrinsics (3, 3) without skew that project a point map to its pixels, by trimmed least squares of u on x / z and v on y / z.

    Args:
        points: (h, w, 3) camera-space positions.
        valid: (h, w) bool, the pixels to fit.

    Raises:
        ValueError: there are too few points, or the median residual is over 2 pixels, so that no pinhole camera fits.
    """
    raise NotImplementedError
