"""Assembly of TACO clips from views, tracks and lazily loaded media."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hoibench.clip import CLUSTERS, Array, Camera, Clip, Tracks, View
from hoibench.datasets.taco.download import Triplet
from hoibench.datasets.taco.protocol import build_prompt
from hoibench.datasets.taco.rig import rig
from hoibench.rigid_object import RigidObject


@dataclass(frozen=True, eq=False)
class MediaLoaders:
    """Functions that load the videos, masks and objects of a clip; ``Clip`` calls each on first use.

    Attributes:
        video: returns the true videos of the V views, (V, N, H, W, 3) uint8.
        sources: returns one (N, H, W, 3) uint8 video per source view.
        masks: returns the masks of hands and objects, (V, N, H, W) bool.
        objects: returns the true shapes and poses of tool and target; None if they are not stored.
    """

    video: Callable[[], Array]
    sources: Callable[[], tuple[Array, ...]]
    masks: Callable[[], Array]
    objects: Callable[[], tuple[RigidObject, ...]] | None = None


def sort_by_cluster(serials: Sequence[str]) -> list[str]:
    """Return camera serials sorted by their clusters in the camera rig: left, center, right."""
    return sorted(serials, key=lambda serial: CLUSTERS.index(rig().cluster(serial)))


def build_view(serial: str, camera: Camera, image: Array) -> View:
    """Build the ``View`` of a TACO camera, with its cluster (left, center or right); ``image`` (H, W, 3) uint8 is its first frame.

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
    media: MediaLoaders,
    *,
    fps: float,
    size: tuple[int, int],
    truth: str,
    tags: tuple[str, ...] = (),
    valid_frames: int | None = None,
) -> Clip:
    """Build a ``Clip`` of a TACO sequence, with a prompt from its triplet.

    Args:
        key: YYYYMMDD_NNN, the id of the sequence and of the clip.
        triplet: (tool, action, target).
        instances: ids of the (tool, target) objects.
        views: the V scored views.
        source_views: views of other cameras, as input for video-to-video methods.
        tracks: the true tracks, N frames.
        media: loads videos, masks and objects.
        fps: frames per second.
        size: (H, W) of the videos.
        truth: ``taco``, ``proxy-hand`` or ``synthetic``; see ``truth_kind``.
        tags: why the clip is in its split.
        valid_frames: number of recorded frames if the recording is shorter than the clip, else None.
    """
    return Clip(
        id=key,
        triplet=triplet,
        prompt=build_prompt(triplet),
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
        load_objects=media.objects,
        valid_frames=valid_frames,
    )
