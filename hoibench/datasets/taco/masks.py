"""Foreground masks, rendered from the surfaces of hands and objects."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import binary_dilation

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import BACKGROUND, Surface, frame_mesh

_HEIGHT_PER_PIXEL = 240


def build_masks(surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """(V, N, H, W) bool: where a hand or an object is, dilated by max(1, round(H / 240)) pixels, so that its outline is inside.

    Args:
        surfaces: hands and objects.
        cameras: V static cameras of one image size.
    """
    frames = len(surfaces[0].vertices)
    meshes = (frame_mesh(surfaces, frame) for frame in range(frames))
    seen = [[mesh.depth_and_part(camera)[1] != BACKGROUND for camera in cameras] for mesh in meshes]
    masks = np.array(seen).swapaxes(0, 1)
    radius = max(1, round(cameras[0].size[0] / _HEIGHT_PER_PIXEL))
    square = np.ones((1, 1, 2 * radius + 1, 2 * radius + 1), dtype=bool)
    dilated: Array = binary_dilation(masks, square)
    return dilated
