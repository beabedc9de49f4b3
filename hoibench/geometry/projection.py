"""Transform points from world to camera to pixels and back (numpy or torch), and change intrinsics for crops and resizing (numpy)."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoibench.clip import Array


def to_camera(world: Any, R: Any, t: Any) -> Any:
    """Transform points from world to camera space: R x + t.

    Args:
        world: (..., P, 3) metres.
        R: (..., 3, 3) rotation from world to camera, broadcast against the leading axes of ``world``: (N, 3, 3) for a moving camera.
        t: (..., 3) translation in metres.

    Returns:
        (..., P, 3) metres in camera space: x right, y down, z forward.

    >>> to_camera(np.zeros((5, 3)), R=np.eye(3), t=np.array([0.0, 0.0, 2.0]))[0]
    array([0., 0., 2.])
    """
    return world @ R.mT + t[..., None, :]


def to_world(camera: Any, R: Any, t: Any) -> Any:
    """Transform points (..., P, 3) from camera space to the world, R^T (p - t), in metres: the inverse of ``to_camera``."""
    return (camera - t[..., None, :]) @ R


def project(camera: Any, K: Any) -> Any:
    """Project points in camera space to pixels.

    Args:
        camera: (..., P, 3) metres.  Points with z <= 0 give meaningless pixels and must be masked by the caller.
        K: (..., 3, 3) intrinsics in pixels.

    Returns:
        (..., P, 2) pixels (u right, v down), with pixel centres at integer coordinates.

    >>> K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> project(np.array([[0.1, -0.2, 2.0]]), K)
    array([[55., 30.]])
    """
    normal = camera[..., :2] / camera[..., 2:]
    return normal @ K[..., :2, :2].mT + K[..., None, :2, 2]


def unproject(pixels: Any, depth: Any, K: Any) -> Any:
    """Return the points in camera space at pixels with known z-depth: the inverse of ``project``.

    Args:
        pixels: (..., P, 2).
        depth: (..., P) metres along z.
        K: (..., 3, 3) intrinsics in pixels, upper triangular.

    Returns:
        (..., P, 3) metres in camera space.

    >>> K = np.array([[100.0, 0, 50], [0, 100, 40], [0, 0, 1]])
    >>> unproject(np.array([[55.0, 30.0]]), np.array([2.0]), K)
    array([[ 0.1, -0.2,  2. ]])
    """
    y = (pixels[..., 1:] - K[..., None, 1:2, 2]) / K[..., None, 1:2, 1]
    x = (pixels[..., :1] - K[..., None, 0:1, 2] - K[..., None, 0:1, 1] * y) / K[..., None, 0:1, 0]
    z = depth[..., None]
    out = (x + y * 0) * z, y * z, z + 0 * x
    return _concatenate(out)


def optical_centre(R: Any, t: Any) -> Any:
    """Return the camera's position in the world, -R^T t; R (..., 3, 3), t (..., 3) -> (..., 3) metres."""
    return -(R.mT @ t[..., None])[..., 0]


def crop_intrinsics(K: Array, top: float, left: float) -> Array:
    """Return the intrinsics (3, 3) of an image after its first ``top`` rows and ``left`` columns are cut off; ``K`` are those before."""
    out = np.array(K, dtype=np.float64)
    out[0, 2] -= left
    out[1, 2] -= top
    return out


def resize_intrinsics(K: Array, old: tuple[int, int], new: tuple[int, int]) -> Array:
    """Return the intrinsics (3, 3) of an image after resizing from size ``old`` to ``new``, both (H, W); each axis has its own scale.

    Pixel centres are at integer coordinates, so u' = s (u + 1/2) - 1/2.

    >>> resize_intrinsics(np.array([[100.0, 0, 49.5], [0, 100, 39.5], [0, 0, 1]]), (80, 100), (40, 50))
    array([[50. ,  0. , 24.5],
           [ 0. , 50. , 19.5],
           [ 0. ,  0. ,  1. ]])
    """
    scale = np.array([new[1] / old[1], new[0] / old[0], 1.0])
    out: Array = np.asarray(K, dtype=np.float64) * scale[:, None]
    out[:2, 2] += (scale[:2] - 1.0) / 2.0
    return out


def is_rigid(poses: Array, tolerance: float = 1e-4) -> Array:
    """Return which poses (..., 3, 3) or (..., 4, 4) have a rotation as their 3x3 part R, within ``tolerance``: R R^T = I and det R = 1."""
    R = np.asarray(poses, dtype=np.float64)[..., :3, :3]
    orthonormal: Array = np.abs(R @ R.mT - np.eye(3)).max(axis=(-2, -1)) <= tolerance
    is_rotation: Array = orthonormal & (np.abs(np.linalg.det(R) - 1.0) <= tolerance)
    return is_rotation


def _concatenate(parts: tuple[Any, ...]) -> Any:
    if hasattr(parts[0], "__array_namespace__"):
        return parts[0].__array_namespace__().concat(parts, axis=-1)
    import torch

    return torch.cat(parts, dim=-1)
