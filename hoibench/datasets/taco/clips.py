"""Clips of a TACO tree: a recording, three of its cameras, and everything true about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import CLUSTERS, Array, Clip, View
from hoibench.datasets.taco.layout import Tree
from hoibench.datasets.taco.masks import build_masks
from hoibench.datasets.taco.prompts import prompt
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.tracks import build_tracks
from hoibench.video import decode


def load_clip(
    tree: Tree,
    key: str,
    serials: Sequence[str],
    source: str | None = None,
    *,
    points: int,
    truth: str,
    tags: tuple[str, ...] = (),
) -> Clip:
    """One whole sequence at its native rate and size; its videos and masks are decoded and rendered when first used.

    Args:
        tree: the download.
        key: YYYYMMDD_NNN.
        serials: the cameras scored; their order is left, center, right whatever the order given.
        source: a camera outside them that video-to-video methods may see.
        points: K, how many points are tracked.
        truth: what the clip's ``truth`` says.
        tags: why the clip is in its split.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file is broken, or views disagree in size, rate or length; names file, value and fix.
    """
    recording = Recording(tree, tree.sequence(key))
    ordered = sorted(serials, key=lambda serial: CLUSTERS.index(rig().cluster(serial)))
    size, fps = _common_format(recording, ordered)
    views = tuple(_view(recording, serial, size) for serial in ordered)
    source_views = () if source is None else (_view(recording, source, _common_format(recording, [source])[0]),)
    cameras = [recording.camera(serial, size) for serial in ordered]
    return Clip(
        id=key,
        triplet=recording.sequence.triplet,
        prompt=prompt(recording.sequence.triplet),
        views=views,
        source_views=source_views,
        fps=fps,
        frames=recording.frames,
        size=size,
        instances=recording.instances,
        tags=tags,
        truth=truth,
        tracks=build_tracks(recording.surfaces, cameras, points),
        load_video=lambda: np.stack([_video(recording, serial) for serial in ordered]),
        load_sources=lambda: tuple(_video(recording, view.id) for view in source_views),
        load_masks=lambda: build_masks(recording.surfaces, cameras),
    )


def _common_format(recording: Recording, serials: Sequence[str]) -> tuple[tuple[int, int], float]:
    """(H, W) and frames per second that all the videos have."""
    infos = {serial: recording.video_info(serial) for serial in serials}
    formats = {((info.height, info.width), info.fps) for info in infos.values()}
    if len(formats) != 1:
        found = ", ".join(f"{s} {i.width}x{i.height} at {i.fps:g} fps" for s, i in infos.items())
        raise ValueError(f"the videos of sequence {recording.sequence.key} differ in format: {found}")
    return formats.pop()


def _view(recording: Recording, serial: str, size: tuple[int, int]) -> View:
    image = decode(recording.sequence.video(serial), [0])[0]
    return View(serial, rig().cluster(serial), recording.camera(serial, size), image)


def _video(recording: Recording, serial: str) -> Array:
    return decode(recording.sequence.video(serial))
