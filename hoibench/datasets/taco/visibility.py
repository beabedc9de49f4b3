"""Visibility of points and parts: inside the image, in front of the camera, and not occluded; and points at edges of the depth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import PARTS, Array, Camera
from hoibench.datasets.ray_casting import rays_through
from hoibench.datasets.surfaces import PlacedPart, Surface, map_frames
from hoibench.geometry import optical_centre, project, to_camera

_OCCLUSION_TOLERANCE = 1e-4  # metres along the ray, so that a point is not occluded by its own surface
_DEPTH_EDGE = 0.02
"""Share of a pixel's depth by which a neighbouring pixel's depth differs at an edge."""
_PIXEL_AND_NEIGHBOURS = np.array([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]])
_FARTHEST = 4.0
"""Metres: a part farther than this from every camera is outside the workspace; the cameras are 1.4 to 2.1 m from its centre."""


def compute_visibility(world: Array, surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> tuple[Array, Array]:
    """Return which points each camera sees in each frame, and which are at an edge of the depth, both (V, N, K) bool.

    Args:
        world: (N, K, 3) positions of points in the world, metres.
        surfaces: hands and objects over N frames, which may occlude points.
        cameras: V static cameras.
    """
    points, edges = [PointVisibility(world, c) for c in cameras], [DepthEdges(world, c) for c in cameras]
    values = map_frames(surfaces, [*points, *edges])
    return np.stack(values[: len(cameras)]), np.stack(values[len(cameras) :])


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
        visible[inside] = _unoccluded(parts, self.camera, points[inside])
        return visible


@dataclass(frozen=True, eq=False)
class DepthEdges:
    """Finds the points (N, K, 3), in metres in the world, that are at an edge of the depth image of one static camera, frame by frame."""

    world: Array
    camera: Camera

    def visit(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return which points are at an edge in one frame, (K,) bool; ``parts`` are the hands and objects as placed in that frame.

        The depth at the point's pixel differs there by more than 2 % from that at one of the four neighbouring pixels, or the pixel's centre shows
        neither hand nor object.  Background is infinitely far.  Points outside the image are at no edge.
        """
        points = self.world[frame].astype(np.float64)
        inside = np.flatnonzero(in_image(points, self.camera))
        edge = np.zeros(len(points), dtype=bool)
        pixels = _nearest_pixels(points[inside], self.camera)[:, None] + _PIXEL_AND_NEIGHBOURS
        height, width = self.camera.size
        in_frame = ((pixels >= 0) & (pixels < [width, height])).all(axis=-1)
        depth = np.full(in_frame.shape, np.inf)
        depth[in_frame] = self._depth(pixels[in_frame], parts)
        own = depth[:, :1]
        with np.errstate(invalid="ignore"):  # infinity minus infinity compares false, hence counts as an edge
            smooth = np.abs(depth - own) <= _DEPTH_EDGE * own
        edge[inside] = (in_frame & ~smooth).any(axis=1) | np.isinf(own[:, 0])
        return edge

    def _depth(self, pixels: Array, parts: Sequence[PlacedPart]) -> Array:
        """Return the z-depth at pixels (M, 2) of the image, (M,) metres, infinite on background; each pixel is rendered once."""
        width = self.camera.size[1]
        numbers, row = np.unique(pixels[:, 1] * width + pixels[:, 0], return_inverse=True)
        origin, directions = rays_through(self.camera, np.column_stack([numbers % width, numbers // width]))
        depth = np.full(len(numbers), np.inf)
        for part in parts:
            near = np.flatnonzero(part.covered(self.camera).flat[numbers])
            if near.size:
                depth[near] = np.minimum(depth[near], part.caster.cast(origin, directions[near]).depth)
        return depth[row]


def _nearest_pixels(points: Array, camera: Camera) -> Array:
    """Return the pixels (M, 2) int, as (x, y), whose centres are nearest to the projections of world points (M, 3) in a camera's image."""
    pixels = np.rint(project(to_camera(points, camera.R, camera.t), camera.K)).astype(int)
    height, width = camera.size
    inside: Array = np.clip(pixels, 0, [width - 1, height - 1])  # a point at the image's edge may be rounded out of it
    return inside


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
    corners = surface.vertices[:, surface.hull].reshape(-1, 3)  # usually one of them is seen
    return _sees_any(camera, corners) or _sees_any(camera, surface.vertices.reshape(-1, 3))


def _sees_any(camera: Camera, points: Array) -> bool:
    distance = np.linalg.norm(points - optical_centre(camera.R, camera.t), axis=1)
    near = points[distance <= _FARTHEST]  # drops NaN
    return bool(in_image(near, camera).any())


def _unoccluded(parts: Sequence[PlacedPart], camera: Camera, points: Array) -> Array:
    """Return which points (M, 3) in the image of a camera are not occluded, (M,) bool."""
    visible = np.ones(len(points), dtype=bool)
    origin = optical_centre(camera.R, camera.t)
    rays = points - origin
    distance = np.linalg.norm(rays, axis=1)
    x, y = _nearest_pixels(points, camera).T
    for part in parts:
        near = np.flatnonzero(part.covered(camera)[y, x])
        if near.size:
            depth = part.caster.cast(origin, rays[near] / distance[near, None]).depth
            visible[near] &= depth >= distance[near] - _OCCLUSION_TOLERANCE
    return visible
