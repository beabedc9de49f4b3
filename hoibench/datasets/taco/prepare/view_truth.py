"""The frames of a clip, and the truth of its views: visibility of points, edges of the depth and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface, map_frames
from hoibench.datasets.taco.masks import MaskRenderer
from hoibench.datasets.taco.protocol import CropRule, Window
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.visibility import DepthEdges, PointVisibility


@dataclass(frozen=True, eq=False)
class SampledFrames:
    """The distinct source frames of a clip; a clip of a short recording repeats the last one.

    Attributes:
        window: number of the source frame of each of the clip's N frames.
        surfaces: hands and objects in the distinct source frames.
        row: (N,) index of each frame of the clip into the distinct source frames.
    """

    window: Window
    surfaces: tuple[Surface, ...]
    row: Array

    @classmethod
    def sample(cls, recording: Recording, window: Window) -> SampledFrames:
        """Return the distinct source frames of a window in a recording; raises the errors of ``Recording.surfaces_in``."""
        sources, row = np.unique(window.indices, return_inverse=True)
        return cls(window, recording.surfaces_in(sources.tolist()), row)

    def expand(self, values: Array) -> Array:
        """Return values (N, ...) of the clip's frames, given ``values`` of the distinct source frames."""
        expanded: Array = values[self.row]
        return expanded

    def collapse(self, expanded: Array) -> Array:
        """Return values of the distinct source frames, given the values ``expanded`` (N, ...) of the clip's frames."""
        values: Array = expanded[np.unique(self.row, return_index=True)[1]]
        return values

    def rows_for_crop(self, rule: CropRule) -> list[int]:
        """Return the indices of the distinct source frames that a crop rule uses: all recorded frames (``clip``) or the first (``frame0``)."""
        return sorted(set(self.row[: self.window.valid if rule == "clip" else 1].tolist()))


@dataclass(frozen=True, eq=False)
class ViewTruth:
    """Point visibility (N, K) bool, points at edges of the depth (N, K) bool, and foreground mask (N, H, W) bool of one view."""

    visible: Array
    depth_edge: Array
    mask: Array


def render_truth(
    surfaces: Sequence[Surface], world: Array, recorded: Array, cameras: Sequence[Camera]
) -> tuple[ViewTruth, ...]:
    """Return point visibility, depth edges and masks for several static cameras; each frame's hands and objects are placed once for all cameras.

    Args:
        surfaces: hands and objects over N frames.
        world: (N, K, 3) positions of points on them, in metres in the world.
        recorded: (N, K) bool, false where a point was not recorded and hence is not visible.
        cameras: the cameras.
    """
    visitors = [(PointVisibility(world, c), DepthEdges(world, c), MaskRenderer(c)) for c in cameras]
    values = iter(map_frames(surfaces, [visitor for of_camera in visitors for visitor in of_camera]))
    return tuple(ViewTruth(next(values) & recorded, next(values), next(values)) for _ in cameras)
