"""What a video file holds, found out without decoding it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import av.error

MAX_SIDE = 16_384
"""Pixels a side of a frame may have; no camera or generator of the field comes near."""


class VideoError(ValueError):
    """A file that is not a whole, readable video; the message names the file, what is wrong and what to do."""


@dataclass(frozen=True)
class VideoInfo:
    """The video stream of a file: N ``frames`` of ``height`` x ``width`` pixels at ``fps``, and its ``codec``."""

    frames: int
    height: int
    width: int
    fps: float
    codec: str


@contextmanager
def open_video(path: Path, options: Mapping[str, str] = MappingProxyType({})) -> Iterator[Any]:
    """The PyAV container of a file, opened with FFmpeg's ``options``, with decoding errors turned into VideoError.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: the file is empty, is not a video, or breaks while the caller reads it.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such video file")
    if not path.is_file():
        raise VideoError(f"{path} is a folder, expected a video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes): write or download it again")
    try:
        with av.open(str(path), options=dict(options)) as container:
            yield container
    except av.error.FFmpegError as error:
        if isinstance(error, PermissionError):
            raise
        raise VideoError(
            f"{path} cannot be read as a video ({error.strerror}): it is truncated, damaged or no video; write or download it again"
        ) from error


def probe(path: Path) -> VideoInfo:
    """Count the frames of a video and check that its file is whole, reading packets but decoding none.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: the file is no video, has no frames, no frame rate, an absurd size, or ends before its last frame.
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate
        frames = _count_packets(path, container, stream)
        return VideoInfo(frames, context.height, context.width, _check_rate(path, rate), context.name)


def video_stream(path: Path, container: Any) -> Any:
    """The first video stream of a container, its frame size checked.

    Raises:
        VideoError: there is no video stream, no decoder for it, or its frames have no size or an absurd one.
    """
    if not container.streams.video:
        raise VideoError(f"{path} holds no video stream: write or download it again")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: its codec has no decoder here; encode it as H.264")
    height, width = stream.codec_context.height, stream.codec_context.width
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise VideoError(f"{path} has frames of {height}x{width} pixels, expected 1 to {MAX_SIDE} a side")
    return stream


def _count_packets(path: Path, container: Any, stream: Any) -> int:
    """Frames that the file's packets hold; a packet is a frame in every codec that we meet."""
    packets = shown = 0
    for packet in container.demux(stream):
        if packet.size == 0:  # the empty packet that flushes a decoder
            continue
        if packet.is_corrupt:
            raise truncated(path, packets, _promised(container, stream))
        packets += 1
        shown += not packet.is_discard
    promised = _promised(container, stream)
    if packets < promised:
        raise truncated(path, packets, promised)
    if shown == 0:
        raise VideoError(f"{path} holds 0 frames: write it again")
    return shown


def _promised(container: Any, stream: Any) -> int:
    """Frames that the header promises: mp4 counts them, Matroska gives the time they last; 0 where it promises none."""
    if stream.frames:
        return int(stream.frames)
    lasts = container.duration if "matroska" in container.format.name and len(container.streams) == 1 else None
    return round(lasts / av.time_base * float(stream.average_rate)) if lasts and stream.average_rate else 0


def truncated(path: Path, found: int, promised: int) -> VideoError:
    """The error for a file that ends early."""
    return VideoError(
        f"{path} is truncated or damaged: {found} whole frames of the {promised} that its header promises; write or download it again"
    )


def _check_rate(path: Path, rate: Any) -> float:
    fps = float(rate) if rate else math.nan
    if not (math.isfinite(fps) and fps > 0):
        raise VideoError(f"{path} has frame rate {fps}, expected a positive number: encode it again with a frame rate")
    return fps
