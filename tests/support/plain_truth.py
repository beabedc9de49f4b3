"""Plain twins of the kernels that render the truth of a view: every ray is cast, every vertex is projected."""

import cv2
import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import place_parts
from hoibench.datasets.taco.crop import Extent


def plain_mask(surfaces, frame: int, camera: Camera) -> Array:
    """The dilated mask (H, W) bool of the surfaces in one frame."""
    origin, directions = pixel_rays(camera)
    mask = np.zeros(len(directions), np.uint8)
    for part in place_parts(surfaces, frame):
        mask |= part.caster.cast(origin, directions.astype(np.float32)).is_hit
    side = 2 * max(1, round(camera.size[0] / 240)) + 1
    return cv2.dilate(mask.reshape(camera.size), np.ones((side, side), np.uint8)).astype(bool)


def plain_extent(surfaces, frame: int, camera: Camera) -> Extent:
    """The extent of all vertices of the surfaces in one frame."""
    return Extent.from_vertices(np.concatenate([surface.vertices[frame] for surface in surfaces]), camera)
