"""Frames of a video file by their index, never by their time."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.video.info import VideoError, VideoInfo, open_video, probe, truncated, video_stream

MAX_BYTES = 4 << 30
"""RGB bytes that one call decodes at most: 49 TACO frames in full resolution are 1.8 GB."""


def decode(path: Path, frames: Sequence[int] | None = None) -> Array:
    """Decode a video, or the ``frames`` of it with these indices, in any order and as often as named.

    The whole file is checked either way, so a truncated end is noticed even where it was not asked for.

    Returns:
        (N, H, W, 3) uint8 RGB, by the colour matrix and range that the file is tagged with (BT.601, limited, where it has no tags).

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: the file is no whole video, an index is outside of it, or the result would exceed ``MAX_BYTES``.
    """
    info = probe(path)
    wanted = range(info.frames) if frames is None else [operator.index(index) for index in frames]
    _check_request(path, info, wanted)
    video = np.empty((len(wanted), info.height, info.width, 3), dtype=np.uint8)
    slots: dict[int, list[int]] = {}
    for slot, index in enumerate(wanted):
        slots.setdefault(index, []).append(slot)
    for index, frame in read_frames(path, info, slots):
        video[slots[index]] = frame.to_ndarray(format="rgb24", threads=1)
    return video


def _check_request(path: Path, info: VideoInfo, wanted: Sequence[int]) -> None:
    outside = [index for index in wanted if not 0 <= index < info.frames]
    if outside:
        raise VideoError(f"{path} has no frame {outside[0]}: it holds frames 0 to {info.frames - 1}")
    size = len(wanted) * info.height * info.width * 3
    if size > MAX_BYTES:
        raise VideoError(
            f"{path}: {len(wanted)} frames of {info.height}x{info.width} take {size} bytes, at most {MAX_BYTES} are decoded at once; "
            "ask for fewer frames"
        )


def read_frames(path: Path, info: VideoInfo, wanted: Collection[int]) -> Iterator[tuple[int, Any]]:
    """Yield (index, PyAV frame) of the wanted frames, in order, up to the last of them; ``info`` is what ``probe`` said of the file.

    Raises:
        VideoError: the file ends before the last wanted frame, or a frame is damaged or of another size than the header says.
    """
    if not wanted:
        return
    last = max(wanted)
    index = -1
    with open_video(path) as container:
        stream = video_stream(path, container)
        stream.thread_type = "AUTO"
        for index, frame in enumerate(container.decode(stream)):
            if frame.is_corrupt:
                raise truncated(path, index, info.frames)
            if (frame.height, frame.width) != (info.height, info.width):
                raise VideoError(
                    f"{path}: frame {index} has {frame.height}x{frame.width} pixels, the header says {info.height}x{info.width}; "
                    "encode it again with one size"
                )
            if index in wanted:
                yield index, frame
            if index == last:
                return
    raise truncated(path, index + 1, info.frames)
