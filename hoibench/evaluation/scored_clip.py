"""Clips in the form that is scored: video after the codec, recorded frames only."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip, Tracks
from hoibench.video import decode, encode


def encode_truth(clip: Clip) -> Clip:
    """Return the clip with its true video, if any, passed through the codec on first use, as every prediction is."""
    load_video = clip.load_video
    return clip if load_video is None else replace(clip, load_video=lambda: roundtrip(load_video(), clip.fps))


def roundtrip(video: Array, fps: float) -> Array:
    """Encode a (V, N, H, W, 3) uint8 video and decode it again."""
    with tempfile.TemporaryDirectory(prefix="hoibench-") as name:
        views = []
        for index, frames in enumerate(video):
            path = Path(name) / f"view-{index}.mp4"
            encode(path, frames, fps)
            views.append(decode(path))
    return np.stack(views)


def trim_clip(clip: Clip) -> Clip:
    """Drop the frames that were not recorded, which only clips of ``--short pad`` have."""
    n = clip.valid_frames
    if n is None or n == clip.frames:
        return clip
    video, masks, sources, objects = clip.load_video, clip.load_masks, clip.load_source_videos, clip.load_objects
    return replace(
        clip,
        frames=n,
        valid_frames=None,
        tracks=None if clip.tracks is None else _trim_tracks(clip.tracks, n),
        load_video=None if video is None else lambda: video()[:, :n],
        load_source_videos=None if sources is None else lambda: tuple(source[:n] for source in sources()),
        load_masks=None if masks is None else lambda: masks()[:, :n],
        load_objects=None if objects is None else lambda: tuple(rigid.first(n) for rigid in objects()),
    )


def _trim_tracks(tracks: Tracks, n: int) -> Tracks:
    recorded = None if tracks.recorded is None else tracks.recorded[:n]
    edge = None if tracks.depth_edge is None else tracks.depth_edge[:, :n]
    world = np.ascontiguousarray(tracks.world[:n])
    return Tracks(world, tracks.visible[:, :n], tracks.part, recorded, edge)
