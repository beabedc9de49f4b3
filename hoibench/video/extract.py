"""Cropped and resized frames straight from a video file, so that whole frames of a large video never stand in memory together."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.video.decoding import read_frames
from hoibench.video.info import VideoError, probe
from hoibench.video.scaling import Box, Scaler

_WAITING = 3


def extract(path: Path, frames: Sequence[int], box: Box, size: tuple[int, int]) -> Array:
    """The ``frames`` of a video with these indices, each cut to ``box`` at whole pixels and resized to ``size``.

    The values are those of ``resize(crop(decode(path, frames), box), size)``.  The file is decoded once, up to the last frame wanted, however the
    indices are ordered and repeated; a file of fewer frames than its header promises is refused all the same.

    Args:
        path: the video.
        frames: N indices.
        box: (top, left, height, width) in pixels of the video.
        size: (h, w) of the result.

    Returns:
        (N, h, w, 3) uint8 RGB.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: the file is no whole video, or a frame or the box lies outside of it; names the file.
        ValueError: the size is empty.
    """
    if min(size) < 1:
        raise ValueError(f"{path}: frames cannot be resized to {size[0]}x{size[1]}: expected at least 1x1")
    info = probe(path)
    slots: dict[int, list[int]] = {}
    for slot, index in enumerate(map(operator.index, frames)):
        slots.setdefault(index, []).append(slot)
    outside = [index for index in slots if not 0 <= index < info.frames]
    if outside:
        raise VideoError(f"{path} has no frame {outside[0]}: it holds frames 0 to {info.frames - 1}")
    _check_box(path, box, (info.height, info.width))
    video = np.empty((len(frames), *size, 3), dtype=np.uint8)
    scaler = Scaler(size, box)

    def fill(index: int, frame: Any) -> None:
        video[slots[index]] = scaler(frame)

    # A thread of its own resizes a frame while the next ones are decoded; a few wait for it, not all.
    with ThreadPoolExecutor(1, thread_name_prefix="resize") as thread:
        waiting: deque[Future[None]] = deque()
        for index, frame in read_frames(path, info, slots):
            waiting.append(thread.submit(fill, index, frame))
            if len(waiting) > _WAITING:
                waiting.popleft().result()
        for future in waiting:
            future.result()
    return video


def _check_box(path: Path, box: Box, size: tuple[int, int]) -> None:
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1 or top + height > size[0] or left + width > size[1]:
        raise VideoError(
            f"{path}: crop box {box} (top, left, height, width) does not lie inside its frames of {size[0]}x{size[1]} pixels"
        )
