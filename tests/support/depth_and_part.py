"""Depth and part at each pixel of a mesh."""

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, FrameMesh


def render_depth_and_part(mesh: FrameMesh, camera: Camera) -> tuple[Array, Array]:
    """Return depth and part at each pixel centre: z-depth (H, W) float32 in metres, infinite on background, and ``part`` (H, W) uint8."""
    hits = mesh.caster.cast(*pixel_rays(camera))
    part = np.full(len(hits.face), BACKGROUND, dtype=np.uint8)
    part[hits.is_hit] = mesh.part[hits.face[hits.is_hit]]
    return hits.depth.reshape(camera.size), part.reshape(camera.size)
