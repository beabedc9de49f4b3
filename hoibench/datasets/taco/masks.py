"""Foreground masks, rendered from the surfaces of hands and objects."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import PlacedPart, Surface, bounding_box, map_frames
from hoibench.geometry import project, to_camera

_HEIGHT_PER_PIXEL = 240


def build_masks(surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Render masks (V, N, H, W) bool, true on hands and objects, dilated by max(1, round(H / 240)) pixels to include the outline.

    Args:
        surfaces: hands and objects over N frames.
        cameras: V static cameras of one image size.
    """
    return np.stack(map_frames(surfaces, [MaskRenderer(camera) for camera in cameras]))


class MaskRenderer:
    """Renders masks of hands and objects for one static camera, frame by frame."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._origin, directions = pixel_rays(camera)
        self._directions = directions.reshape(*camera.size, 3).astype(np.float32)
        radius = max(1, round(camera.size[0] / _HEIGHT_PER_PIXEL))
        self._square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)

    def visit(self, _frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return the dilated mask (H, W) bool of the parts (hands and objects) as they are placed in one frame."""
        mask = np.zeros(self._camera.size, dtype=np.uint8)
        for part in parts:
            window = self._window(part.vertices)
            directions = self._directions[window]
            if directions.size:
                hits = part.caster.cast(self._origin, directions.reshape(-1, 3))
                mask[window] |= hits.is_hit.reshape(directions.shape[:2])
        return cv2.dilate(mask, self._square).astype(bool)

    def _window(self, vertices: Array) -> tuple[slice, slice]:
        """Return the image rows and columns that a part with vertices (P, 3), in metres in the world, can cover; no rays are needed elsewhere."""
        points = to_camera(vertices, self._camera.R, self._camera.t)
        if (points[:, 2] <= 0.0).any():  # a triangle that reaches behind the camera may project anywhere
            return np.s_[:, :]
        low, high = bounding_box(project(points, self._camera.K))
        image = self._camera.size[::-1]
        left, top = np.clip(np.floor(low), 0, image).astype(int)
        right, bottom = np.clip(np.ceil(high) + 1, 0, image).astype(int)
        return np.s_[top:bottom, left:right]
