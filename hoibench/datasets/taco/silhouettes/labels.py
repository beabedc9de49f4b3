"""Small pictures of the parts, i.e. of hands and objects, as a camera sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, PlacedPart


class LabelRenderer:
    """Renders the part at each pixel of a static camera, and its depth, frame by frame."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._origin, directions = pixel_rays(camera)
        self._directions = directions.astype(np.float32)

    def visit(self, _frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return (2, H, W) float32: the place of each pixel's part among ``parts``, or ``BACKGROUND``; and its depth in metres, or infinity."""
        labels = np.full(self._camera.size, BACKGROUND, dtype=np.float32)
        depth = np.full(self._camera.size, np.inf, dtype=np.float32)
        for label, part in enumerate(parts):
            pixels = np.flatnonzero(part.covered(self._camera))
            if pixels.size:
                hits = part.caster.cast(self._origin, self._directions[pixels]).depth
                nearer = hits < depth.flat[pixels]
                labels.flat[pixels[nearer]] = label
                depth.flat[pixels[nearer]] = hits[nearer]
        return np.stack([labels, depth])
