"""What cameras see of hands, objects and the points on them: visibility and masks from one placing of the parts in each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface, place_parts
from hoibench.datasets.taco.masks import Silhouette
from hoibench.datasets.taco.tracks import seen_points


@dataclass(frozen=True, eq=False)
class Sight:
    """What a view sees of the truth: points ``visible`` (N, K) bool and the foreground ``mask`` (N, H, W) bool."""

    visible: Array
    mask: Array


def look(surfaces: Sequence[Surface], world: Array, recorded: Array, cameras: Sequence[Camera]) -> tuple[Sight, ...]:
    """What each static camera sees in each frame: the parts of a frame are placed once for all of them.

    Args:
        surfaces: hands and objects over N frames.
        world: (N, K, 3) points on them, metres.
        recorded: (N, K) bool.
        cameras: V cameras.
    """
    silhouettes = [Silhouette(camera) for camera in cameras]
    visible = np.zeros((len(cameras), *recorded.shape), dtype=bool)
    masks = [np.zeros((len(world), *camera.size), dtype=bool) for camera in cameras]
    for frame, points in enumerate(world.astype(np.float64)):
        parts = place_parts(surfaces, frame)
        for view, camera in enumerate(cameras):
            visible[view, frame] = seen_points(parts, points, camera) & recorded[frame]
            masks[view][frame] = silhouettes[view].mask(parts)
    return tuple(Sight(seen, mask) for seen, mask in zip(visible, masks, strict=True))
