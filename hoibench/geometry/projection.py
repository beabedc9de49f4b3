"""World to camera to pixel and back, for numpy and torch arrays alike (only operators and ``.mT`` are used)."""

from __future__ import annotations

from typing import Any


def to_camera(world: Any, R: Any, t: Any) -> Any:
    """World points in camera space: R x + t.

    Args:
        world: (..., P, 3) metres.
        R: (..., 3, 3), broadcast against the leading axes of ``world``: (3, 3) for a static camera, (N, 3, 3) for a moving one.
        t: (..., 3) metres.

    Returns:
        (..., P, 3) metres, OpenCV axes.
    """
    return world @ R.mT + t[..., None, :]


def to_world(camera: Any, R: Any, t: Any) -> Any:
    """Camera-space points in the world, W(p) = R^T (p - t); the inverse of ``to_camera``, same shapes."""
    return (camera - t[..., None, :]) @ R


def project(camera: Any, K: Any) -> Any:
    """Pixels of camera-space points.

    Args:
        camera: (..., P, 3) metres.  Points at z <= 0 give meaningless pixels: mask them out by their depth.
        K: (..., 3, 3) pixels.

    Returns:
        (..., P, 2) pixels (u right, v down), centres at integer coordinates.
    """
    normal = camera[..., :2] / camera[..., 2:]
    return normal @ K[..., :2, :2].mT + K[..., None, :2, 2]


def unproject(pixels: Any, depth: Any, K: Any) -> Any:
    """Camera-space points of pixels at a z-depth; the inverse of ``project``.

    Args:
        pixels: (..., P, 2).
        depth: (..., P) metres along z.
        K: (..., 3, 3) pixels, upper triangular.

    Returns:
        (..., P, 3) metres.
    """
    y = (pixels[..., 1:] - K[..., None, 1:2, 2]) / K[..., None, 1:2, 1]
    x = (pixels[..., :1] - K[..., None, 0:1, 2] - K[..., None, 0:1, 1] * y) / K[..., None, 0:1, 0]
    z = depth[..., None]
    out = (x + y * 0) * z, y * z, z + 0 * x
    return _concatenate(out)


def _concatenate(parts: tuple[Any, ...]) -> Any:
    if hasattr(parts[0], "__array_namespace__"):
        return parts[0].__array_namespace__().concat(parts, axis=-1)
    import torch

    return torch.cat(parts, dim=-1)
