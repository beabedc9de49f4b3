"""Changes of image grid and of frame of reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from hoibench.clip import Array


def optical_centre(R: Any, t: Any) -> Any:
    """The camera's position in the world, -R^T t; R (..., 3, 3), t (..., 3) -> (..., 3) metres."""
    return -(R.mT @ t[..., None])[..., 0]


def crop_intrinsics(K: Array, top: float, left: float) -> Array:
    """Intrinsics after the first ``top`` rows and ``left`` columns are cut away; (3, 3) -> (3, 3)."""
    out = np.array(K, dtype=np.float64)
    out[0, 2] -= left
    out[1, 2] -= top
    return out


def resize_intrinsics(K: Array, old: tuple[int, int], new: tuple[int, int]) -> Array:
    """Intrinsics after an image of size ``old`` (H, W) is resized to ``new``; axes scale apart.

    Pixel centres lie at integer coordinates, so u' = s (u + 1/2) - 1/2.
    """
    scale = np.array([new[1] / old[1], new[0] / old[0], 1.0])
    out: Array = np.asarray(K, dtype=np.float64) * scale[:, None]
    out[:2, 2] += (scale[:2] - 1.0) / 2.0
    return out


def is_rigid(pose: Array, tolerance: float = 1e-4) -> bool:
    """Whether every (..., 3, 3) or (..., 4, 4) pose is a rotation (and translation): R R^T = I and det R = 1."""
    R = np.asarray(pose, dtype=np.float64)[..., :3, :3]
    unit = np.abs(R @ R.mT - np.eye(3)).max() <= tolerance
    return bool(unit and np.abs(np.linalg.det(R) - 1.0).max() <= tolerance)
