"""Whether cameras see points and parts: inside the image, in front, and hit first by the points' own rays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.surfaces import PlacedPart, Surface, map_frames
from hoibench.geometry import optical_centre, project, to_camera

_OCCLUSION_TOLERANCE = 1e-4  # metres along the ray: a point lies on the surface that must not hide it
_FARTHEST = 4.0
"""Metres from a camera at which nothing of the workspace lies: the rig's cameras hang 1.4 to 2.1 m from its middle."""


def visibility(world: Array, surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Whether each view sees each point in each frame, (V, N, K) bool.

    Args:
        world: (N, K, 3) metres.
        surfaces: what may hide a point.
        cameras: V static cameras.
    """
    return np.stack(map_frames(surfaces, [PointVisibility(world, camera) for camera in cameras]))


@dataclass(frozen=True, eq=False)
class PointVisibility:
    """Which of the points (N, K, 3), metres, one static camera sees, frame by frame."""

    world: Array
    camera: Camera

    def visit(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
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


def check_parts_in_view(key: str, surfaces: Sequence[Surface], cameras: Iterable[Camera]) -> None:
    """Raise ValueError unless some vertex of every part is, in some frame, in the image of one of the cameras and within 4 m of it.

    Poses of another recording, frame or unit are not.

    Args:
        key: of the sequence, for the error.
        surfaces: over N frames, NaN where a part was not recorded.
        cameras: every calibrated camera of the sequence, whether its video is there or not.
    """
    cameras = tuple(cameras)
    for surface in surfaces:
        if not any(_sees(camera, surface) for camera in cameras):
            raise ValueError(
                f"sequence {key}: the {PARTS[surface.part]} is in no camera's image in any frame: its poses are of another recording or not in "
                "metres; unpack its zip again, or drop the sequence"
            )


def _sees(camera: Camera, surface: Surface) -> bool:
    points = surface.vertices.reshape(-1, 3)
    distance = np.linalg.norm(points - optical_centre(camera.R, camera.t), axis=1)
    near = points[distance <= _FARTHEST]  # false for NaN
    return bool(in_image(near, camera).any())


def _unoccluded(parts: Sequence[PlacedPart], origin: Array, points: Array) -> Array:
    seen = np.ones(len(points), dtype=bool)
    rays = points - origin
    distance = np.linalg.norm(rays, axis=1)
    for part in parts if len(points) else ():
        seen &= part.caster.cast(origin, rays / distance[:, None]).depth >= distance - _OCCLUSION_TOLERANCE
    return seen
