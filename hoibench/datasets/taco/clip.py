"""Assembly of TACO clips from views, tracks and lazily loaded media."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hoibench.clip import CLUSTERS, Array, Camera, Clip, Tracks, View
from hoibench.datasets.taco.download import Triplet
from hoibench.datasets.taco.protocol import prompt
from hoibench.datasets.taco.rig import rig


@dataclass(frozen=True, eq=False)
class LazyMedia:
    """Functions that load a clip's videos and masks on first use; see ``Clip``."""

    video: Callable[[], Array]
    sources: Callable[[], tuple[Array, ...]]
    masks: Callable[[], Array]


def left_to_right(serials: Sequence[str]) -> list[str]:
    """Sort serials by cluster: left, center, right."""
    return sorted(serials, key=lambda serial: CLUSTERS.index(rig().cluster(serial)))


def build_view(serial: str, camera: Camera, image: Array) -> View:
    """Build the view of a camera; ``image`` (H, W, 3) uint8 is its first frame.

    Raises:
        ValueError: TACO has no camera of this serial.
    """
    return View(serial, rig().cluster(serial), camera, image)


def build_clip(
    key: str,
    triplet: Triplet,
    instances: tuple[str, str],
    views: Sequence[View],
    source_views: Sequence[View],
    tracks: Tracks,
    media: LazyMedia,
    *,
    fps: float,
    size: tuple[int, int],
    truth: str,
    tags: tuple[str, ...],
    valid_frames: int | None = None,
) -> Clip:
    """Build the clip of a sequence, with its prompt."""
    return Clip(
        id=key,
        triplet=triplet,
        prompt=prompt(triplet),
        views=tuple(views),
        source_views=tuple(source_views),
        fps=fps,
        frames=len(tracks.world),
        size=size,
        instances=instances,
        tags=tags,
        truth=truth,
        tracks=tracks,
        load_video=media.video,
        load_source_videos=media.sources,
        load_masks=media.masks,
        valid_frames=valid_frames,
    )
