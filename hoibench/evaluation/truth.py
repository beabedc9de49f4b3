"""The truth as it is scored: after the codec that every prediction goes through."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip
from hoibench.video import decode, encode


def through_codec(clip: Clip) -> Array:
    """The clip's true video after the codec that every prediction goes through: (V, N, H, W, 3) uint8."""
    assert clip.video is not None
    with tempfile.TemporaryDirectory(prefix="hoibench-") as name:
        views = []
        for index, frames in enumerate(clip.video):
            path = Path(name) / f"view-{index}.mp4"
            encode(path, frames, clip.fps)
            views.append(decode(path))
    return np.stack(views)
