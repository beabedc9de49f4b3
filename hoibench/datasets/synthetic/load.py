"""Load clips from files in the layout of TACO, at the frame rate and size of their videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, Clip, View
from hoibench.datasets.taco.clip import MediaLoaders, build_clip, build_view, sort_by_cluster
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.masks import build_masks
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.rigid_objects import build_objects
from hoibench.datasets.taco.tracks import build_tracks
from hoibench.video import decode


def load_clip(
    download: TacoDownload,
    key: str,
    serials: Sequence[str],
    source: str | None = None,
    *,
    points: int,
    truth: str,
    tags: tuple[str, ...] = (),
) -> Clip:
    """Load a complete sequence as a clip, at the frame rate and size of its videos, which are decoded on first use, as masks are rendered.

    Args:
        download: files in the layout of a TACO download.
        key: the sequence, YYYYMMDD_NNN.
        serials: serials of the scored cameras; the clip has them from left to right.
        source: serial of the camera whose video is the input of video-to-video methods, or None.
        points: K, the number of tracked points.
        truth: origin of the truth, see ``Clip.truth``.
        tags: reasons why the clip is in its split.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file is damaged, or views differ in size, rate or length; names file, value and fix.
    """
    recording = Recording(download, download.sequence(key))
    ordered = sort_by_cluster(serials)
    sources = [] if source is None else [source]
    size, fps = _common_format(recording, ordered)
    views = [_view(recording, serial, size) for serial in ordered]
    source_views = [_view(recording, serial, _common_format(recording, [serial])[0]) for serial in sources]
    cameras = [recording.camera(serial, size) for serial in ordered]
    return build_clip(
        key,
        recording.sequence.triplet,
        recording.instances,
        views,
        source_views,
        build_tracks(recording.surfaces, cameras, points),
        MediaLoaders(
            lambda: np.stack([_video(recording, serial) for serial in ordered]),
            lambda: tuple(_video(recording, serial) for serial in sources),
            lambda: build_masks(recording.surfaces, cameras),
            lambda: build_objects(recording.surfaces),
        ),
        fps=fps,
        size=size,
        truth=truth,
        tags=tags,
    )


def _common_format(recording: Recording, serials: Sequence[str]) -> tuple[tuple[int, int], float]:
    """Return the common (H, W) and frames per second of the videos of some cameras.

    Raises:
        ValueError: they differ.
    """
    infos = {serial: recording.video_info(serial) for serial in serials}
    formats = {((info.height, info.width), info.fps) for info in infos.values()}
    if len(formats) != 1:
        found = ", ".join(f"{s} {i.width}x{i.height} at {i.fps:g} fps" for s, i in infos.items())
        raise ValueError(f"the videos of sequence {recording.sequence.key} differ in format: {found}")
    return formats.pop()


def _view(recording: Recording, serial: str, size: tuple[int, int]) -> View:
    image = decode(recording.sequence.video(serial), [0])[0]
    return build_view(serial, recording.camera(serial, size), image)


def _video(recording: Recording, serial: str) -> Array:
    return decode(recording.sequence.video(serial))
