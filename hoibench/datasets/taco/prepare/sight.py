"""What cameras see of hands, objects and the points on them: visibility and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.masks import Silhouette
from hoibench.datasets.taco.visibility import PointsInSight
from hoibench.datasets.taco.watching import watch


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
    points = [PointsInSight(world, camera) for camera in cameras]
    silhouettes = [Silhouette(camera) for camera in cameras]
    seen = watch(surfaces, [*points, *silhouettes])
    visible, masks = seen[: len(cameras)], seen[len(cameras) :]
    return tuple(Sight(v & recorded, mask) for v, mask in zip(visible, masks, strict=True))
