"""Small pictures of the parts, i.e. of hands and objects, as a camera sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, PlacedPart
from hoibench.datasets.taco.crop import Extent


class LabelRenderer:
    """Renders the part at each pixel of a static camera, and its depth, frame by frame."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._origin, directions = pixel_rays(camera)
        self._directions = directions.reshape(*camera.size, 3).astype(np.float32)

    def visit(self, _frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return (2, H, W) float32: the place of each pixel's part among ``parts``, or ``BACKGROUND``; and its depth in metres, or infinity."""
        labels = np.full(self._camera.size, BACKGROUND, dtype=np.float32)
        depth = np.full(self._camera.size, np.inf, dtype=np.float32)
        for label, part in enumerate(parts):
            extent = Extent.from_vertices(part.vertices, self._camera)
            left, top = np.floor(extent.low).astype(int)
            right, bottom = np.ceil(extent.high).astype(int)
            directions = self._directions[top:bottom, left:right]
            if directions.size:
                hits = part.caster.cast(self._origin, directions.reshape(-1, 3)).depth.reshape(directions.shape[:2])
                nearer = hits < depth[top:bottom, left:right]
                labels[top:bottom, left:right][nearer] = label
                depth[top:bottom, left:right][nearer] = hits[nearer]
        return np.stack([labels, depth])
