"""True tracks of a clip in the world and in every camera, and the points that count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hoibench.clip import Array, Camera, Clip
from hoibench.geometry import optical_centre, project, to_camera, to_world
from hoibench.metrics.measurement import MISSING_INPUT, NotApplicable, Undefined


def world_to_cameras(world: Array, cameras: Sequence[Camera]) -> Array:
    """Return world points (N, K, 3) in the space of each camera, (V, N, K, 3), metres."""
    return np.stack([to_camera(world, camera.R, camera.t) for camera in cameras])


def cameras_to_world(points: Array, cameras: Sequence[Camera]) -> Array:
    """Return the camera-space points of each view, (V, N, K, 3), in the world, same shape: W_v(p) = R_v^T (p - t_v)."""
    return np.stack([to_world(view, camera.R, camera.t) for view, camera in zip(points, cameras, strict=True)])


def scene_size(world: Array) -> float:
    """Return the size D of a scene in metres: the RMS distance of its points in all frames, (N, K, 3) metres, to their common centroid.

    Raises:
        Undefined: all points coincide, so that D cannot be a divisor.

    >>> scene_size(np.array([[[0.0, 0, 0], [2, 0, 0]]]))
    1.0
    """
    points = world.reshape(-1, 3).astype(np.float64)
    size = float(np.sqrt(np.square(points - points.mean(axis=0)).sum(axis=-1).mean()))
    if size == 0.0:
        raise Undefined("the scene has no extent: all true points coincide")
    return size


@dataclass(frozen=True, eq=False)
class TrueTracks:
    """The true tracks of a clip and the cameras that see them.

    Attributes:
        views: ids of the V views.
        cameras: the V cameras.
        world: (N, K, 3) float64, metres.
        visible: (V, N, K) bool, true where the view sees the point.
        part: (K,) index of each point's hand or object in ``hoibench.clip.PARTS``.
        recorded: (N, K) bool, false where the recording has no pose for the point, so that ``world`` repeats the nearest recorded position.
        depth_edge: (V, N, K) bool, true at an edge of the true depth; None if the data set does not give it.
        edges_count: false to leave points at such edges out of ``mask``.
    """

    views: tuple[str, ...]
    cameras: tuple[Camera, ...]
    world: Array
    visible: Array
    part: Array
    recorded: Array
    depth_edge: Array | None = None
    edges_count: bool = True

    @cached_property
    def points(self) -> Array:
        """X, (V, N, K, 3) float64: the true points in the space of each camera, metres."""
        return world_to_cameras(self.world, self.cameras)

    @cached_property
    def distance_from_first_camera(self) -> Array:
        """(V, N, K) metres: how far each point is from where its view's camera is in frame 0, for every frame; |X| if the camera does not move."""
        centres = np.stack([optical_centre(*camera.extrinsics(0)) for camera in self.cameras])
        distance: Array = np.linalg.norm(self.world - centres[:, None, None], axis=-1)
        return distance

    @property
    def visible_first(self) -> Array:
        """(V, 1, K) bool, true if the view sees the point in frame 0, so that a method can track it from there."""
        return self.visible[:, :1]

    @cached_property
    def mask(self) -> Array:
        """m, (V, N, K) bool, the points that count in metrics: visible in the view both in frame 0 and in frame n."""
        visible = self.visible & self.visible_first
        return visible if self.edges_count or self.depth_edge is None else visible & ~self.depth_edge

    def without_depth_edges(self) -> TrueTracks:
        """Return the same tracks, of which points at an edge of the true depth do not count: a point map has one surface or the other there."""
        return replace(self, edges_count=False)

    @cached_property
    def scene_size(self) -> float:
        """D, the scene's size in metres, see ``scene_size``."""
        return scene_size(self.world)

    @cached_property
    def pixels(self) -> Array:
        """(V, N, K, 2) float64, the points projected into each view; infinite for points behind the camera."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pixels = np.stack([project(x, camera.K) for x, camera in zip(self.points, self.cameras, strict=True)])
        return np.where(self.points[..., 2:] > 0, pixels, np.inf)


def build_true_tracks(clip: Clip) -> TrueTracks:
    """Return the true tracks of a clip, with the cameras of its views.

    Raises:
        NotApplicable: the clip has no true tracks, or a view has no camera.
        Undefined: no point is visible in frame 0 of any view.
    """
    if clip.tracks is None:
        raise NotApplicable(MISSING_INPUT["truth.tracks"])
    if clip.cameras is None:
        raise NotApplicable(MISSING_INPUT["cameras"])
    recorded = clip.tracks.recorded
    truth = TrueTracks(
        views=tuple(view.id for view in clip.views),
        cameras=clip.cameras,
        world=clip.tracks.world.astype(np.float64),
        visible=clip.tracks.visible,
        part=clip.tracks.part,
        recorded=np.ones(clip.tracks.world.shape[:2], dtype=bool) if recorded is None else recorded,
        depth_edge=clip.tracks.depth_edge,
    )
    if not truth.mask.any():
        raise Undefined("no true point is visible in frame 0 of any view")
    return truth
