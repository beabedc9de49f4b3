"""Foreground masks, rendered from the surfaces of hands and objects."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import PlacedPart, Surface, map_frames

_HEIGHT_PER_PIXEL = 240


def build_masks(surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Render masks (V, N, H, W) bool, true on hands and objects, dilated by max(1, round(H / 240)) pixels to include the outline.

    Args:
        surfaces: hands and objects over N frames.
        cameras: V static cameras of one image size.
    """
    return np.stack(map_frames(surfaces, [MaskRenderer(camera) for camera in cameras]))


class MaskRenderer:
    """Renders masks of hands and objects for one static camera, frame by frame.

    A hit marks the square of pixels around it, so that only pixels with an unmarked one in their square need a ray.
    Hits on a lattice of pixels whose squares tile the image leave few of these inside a part.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._origin, directions = pixel_rays(camera)
        self._directions = directions.astype(np.float32)
        radius = max(1, round(camera.size[0] / _HEIGHT_PER_PIXEL))
        self._square = np.ones((2 * radius + 1, 2 * radius + 1), dtype=np.uint8)
        lattice = np.zeros(camera.size, dtype=bool)
        lattice[radius :: 2 * radius + 1, radius :: 2 * radius + 1] = True
        self._passes = lattice, np.ones(camera.size, dtype=bool)

    def visit(self, _frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return the dilated mask (H, W) bool of the parts (hands and objects) as they are placed in one frame."""
        mask = np.zeros(self._camera.size, dtype=np.uint8)
        for pixels in self._passes:
            for part in parts:
                mask |= self._marked(part, pixels & part.covered(self._camera) & self._may_mark(mask))
        return mask.astype(bool)

    def _may_mark(self, mask: Array) -> Array:
        """Return the pixels (H, W) bool around which the mask (H, W) uint8 is not complete."""
        may_mark: Array = cv2.dilate(1 - mask, self._square).view(bool)
        return may_mark

    def _marked(self, part: PlacedPart, pixels: Array) -> Array:
        """Return the dilated hits (H, W) uint8 on a part of rays through some pixels, (H, W) bool."""
        chosen = np.flatnonzero(pixels)
        hit = np.zeros(self._camera.size, dtype=np.uint8)
        if chosen.size:
            hit.flat[chosen] = part.caster.hits(self._origin, self._directions[chosen])
        marked: Array = cv2.dilate(hit, self._square)
        return marked
