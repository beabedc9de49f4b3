"""Visibility of points and parts: inside the image, in front of the camera, and not occluded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.surfaces import PlacedPart, Surface, map_frames
from hoibench.geometry import optical_centre, project, to_camera

_OCCLUSION_TOLERANCE = 1e-4  # metres along the ray, so that a point is not occluded by its own surface
_FARTHEST = 4.0
"""Metres: a part farther than this from every camera is outside the workspace; the cameras are 1.4 to 2.1 m from its centre."""


def compute_visibility(world: Array, surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Return which points each camera sees in each frame, (V, N, K) bool.

    Args:
        world: (N, K, 3) positions of points in the world, metres.
        surfaces: hands and objects over N frames, which may occlude points.
        cameras: V static cameras.
    """
    return np.stack(map_frames(surfaces, [PointVisibility(world, camera) for camera in cameras]))


@dataclass(frozen=True, eq=False)
class PointVisibility:
    """Computes the visibility of points (N, K, 3), in metres in the world, in one static camera, frame by frame."""

    world: Array
    camera: Camera

    def visit(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return which points are visible in one frame, (K,) bool; ``parts`` are the hands and objects as placed in that frame."""
        points = self.world[frame].astype(np.float64)
        visible = in_image(points, self.camera)
        inside = np.flatnonzero(visible)
        visible[inside] = _unoccluded(parts, optical_centre(self.camera.R, self.camera.t), points[inside])
        return visible


def in_image(points: Array, camera: Camera) -> Array:
    """Return which world points (M, 3) are in front of a static camera and inside its image, (M,) bool."""
    in_camera = to_camera(points, camera.R, camera.t)
    front = in_camera[:, 2] > 0.0
    pixels = project(np.where(front[:, None], in_camera, 1.0), camera.K)
    height, width = camera.size
    within: Array = front & (pixels >= -0.5).all(axis=1) & (pixels < [width - 0.5, height - 0.5]).all(axis=1)
    return within


def check_parts_in_view(key: str, surfaces: Sequence[Surface], cameras: Iterable[Camera]) -> None:
    """Raise ValueError unless every part is, in some frame, in the image of a camera and within 4 m of it.

    Poses of another recording, world frame or unit fail this check.

    Args:
        key: key of the sequence, for the error message.
        surfaces: hands and objects over N frames, NaN where a part was not recorded.
        cameras: all calibrated cameras of the sequence, with or without a video.
    """
    cameras = tuple(cameras)
    for surface in surfaces:
        if not any(_sees(camera, surface) for camera in cameras):
            raise ValueError(
                f"sequence {key}: no camera sees the {PARTS[surface.part]} in any frame: its poses are of another recording or not in "
                "metres; unpack its zip again, or exclude the sequence"
            )


def _sees(camera: Camera, surface: Surface) -> bool:
    points = surface.vertices.reshape(-1, 3)
    distance = np.linalg.norm(points - optical_centre(camera.R, camera.t), axis=1)
    near = points[distance <= _FARTHEST]  # drops NaN
    return bool(in_image(near, camera).any())


def _unoccluded(parts: Sequence[PlacedPart], origin: Array, points: Array) -> Array:
    visible = np.ones(len(points), dtype=bool)
    rays = points - origin
    distance = np.linalg.norm(rays, axis=1)
    for part in parts if len(points) else ():
        visible &= part.caster.cast(origin, rays / distance[:, None]).depth >= distance - _OCCLUSION_TOLERANCE
    return visible
