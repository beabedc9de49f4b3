"""Whether cameras see points: inside the image, in front, and hit first by the points' own rays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import PlacedPart, Surface
from hoibench.datasets.taco.watching import watch
from hoibench.geometry import optical_centre, project, to_camera

_OCCLUSION_TOLERANCE = 1e-4  # metres along the ray: a point lies on the surface that must not hide it


def visibility(world: Array, surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Whether each view sees each point in each frame, (V, N, K) bool.

    Args:
        world: (N, K, 3) metres.
        surfaces: what may hide a point.
        cameras: V static cameras.
    """
    return np.stack(watch(surfaces, [PointsInSight(world, camera) for camera in cameras]))


@dataclass(frozen=True, eq=False)
class PointsInSight:
    """Which of the points (N, K, 3), metres, one static camera sees, frame by frame."""

    world: Array
    camera: Camera

    def see(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
        """(K,) bool: those of one frame that it sees past the parts."""
        points = self.world[frame].astype(np.float64)
        seen = in_image(points, self.camera)
        inside = np.flatnonzero(seen)
        seen[inside] = _unoccluded(parts, optical_centre(self.camera.R, self.camera.t), points[inside])
        return seen


def in_image(points: Array, camera: Camera) -> Array:
    """(M,) bool: whether world points (M, 3) lie in front of a static camera and on a pixel of its image."""
    in_camera = to_camera(points, camera.R, camera.t)
    front = in_camera[:, 2] > 0.0
    pixels = project(np.where(front[:, None], in_camera, 1.0), camera.K)
    height, width = camera.size
    within: Array = front & (pixels >= -0.5).all(axis=1) & (pixels < [width - 0.5, height - 0.5]).all(axis=1)
    return within


def _unoccluded(parts: Sequence[PlacedPart], origin: Array, points: Array) -> Array:
    seen = np.ones(len(points), dtype=bool)
    rays = points - origin
    distance = np.linalg.norm(rays, axis=1)
    for part in parts if len(points) else ():
        seen &= part.caster.cast(origin, rays / distance[:, None]).depth >= distance - _OCCLUSION_TOLERANCE
    return seen
