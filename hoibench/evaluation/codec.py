"""The truth as it is scored: after the codec that every prediction goes through."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip
from hoibench.video import decode, encode


def encode_truth(clip: Clip) -> Clip:
    """The clip as it is scored: its true video, where it has one, goes through the codec once it is first used."""
    return clip if clip.load_video is None else replace(clip, load_video=lambda: through_codec(clip))


def through_codec(clip: Clip) -> Array:
    """The clip's true video after the codec that every prediction goes through: (V, N, H, W, 3) uint8."""
    assert clip.video is not None
    return roundtrip(clip.video, clip.fps)


def roundtrip(video: Array, fps: float) -> Array:
    """What is left of a (V, N, H, W, 3) uint8 video once it was written and read again."""
    with tempfile.TemporaryDirectory(prefix="hoibench-") as name:
        views = []
        for index, frames in enumerate(video):
            path = Path(name) / f"view-{index}.mp4"
            encode(path, frames, fps)
            views.append(decode(path))
    return np.stack(views)
