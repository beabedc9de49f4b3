"""Read the properties of a video file without decoding its frames."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av
import av.error
import numpy as np
from av.codec.hwaccel import HWAccel

MAX_SIDE = 16_384
"""Maximum height and width of a frame in pixels, far above any camera or generator of the field."""

_ONLY_FILES = {"format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,nut,h264", "protocol_whitelist": "file"}
"""FFmpeg chooses a format by a file's content: a playlist or list of files could name other files and addresses."""

# Without these options, FFmpeg decodes the first frame to find its pixel format, which the header does not contain.
_HEADER_ONLY = {"skip_frame": "all", "probesize": "32"}


class VideoError(ValueError):
    """The error of a file that is not a complete, readable video; its message names the file, the problem and the fix."""


@dataclass(frozen=True)
class VideoInfo:
    """Properties of a complete video: number of ``frames`` of ``height`` x ``width`` pixels, ``fps`` frames per second, and name of the codec."""

    frames: int
    height: int
    width: int
    fps: float
    codec: str


@dataclass(frozen=True)
class VideoHeader:
    """Properties in the header of a video file: number of ``frames`` of ``height`` x ``width`` pixels, and frames per second; 0 if unknown.

    ``unevenness`` is the largest distance, in frames, of a frame's time from that at a constant rate from the first frame to the last; 0 if unknown.
    """

    frames: int
    height: int
    width: int
    fps: float
    unevenness: float = 0.0


@contextmanager
def open_video(
    path: Path, options: Mapping[str, str] = MappingProxyType({}), device: HWAccel | None = None
) -> Iterator[Any]:
    """Open a video file for a ``with`` statement as a PyAV container; FFmpeg's errors become VideoErrors.

    Args:
        path: the file.
        options: options of FFmpeg.
        device: the device that decodes, None for software.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is empty or not a video, or reading fails in the body of the ``with`` statement.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such video file")
    if not path.is_file():
        raise VideoError(f"{path} is {'a folder' if path.is_dir() else 'a pipe or a device'}, expected a video file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path} is empty (0 bytes): encode or download it again")
    try:
        with av.open(str(path), options=_ONLY_FILES | dict(options), hwaccel=device) as container:
            yield container
    except UnicodeDecodeError as error:  # PyAV before 19 decodes metadata strictly
        raise VideoError(f"{path} has metadata that are not UTF-8: remove them (ffmpeg -map_metadata -1)") from error
    except av.error.FFmpegError as error:
        if isinstance(error, PermissionError):
            raise
        raise VideoError(
            f"{path} cannot be read as a video ({error.strerror}): it is truncated, damaged or not a video; encode or download it again"
        ) from error


def probe(path: Path) -> VideoInfo:
    """Return the properties of a video; count its frames and check that the file is complete, without decoding them.

    >>> import tempfile
    >>> import numpy as np
    >>> from hoibench.video import encode
    >>> path = Path(tempfile.mkdtemp()) / "video.mp4"
    >>> encode(path, np.zeros((8, 64, 96, 3), np.uint8), fps=8)
    >>> probe(path)
    VideoInfo(frames=8, height=64, width=96, fps=8.0, codec='h264')

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a video, has no frames or frame rate, exceeds ``MAX_SIDE``, or ends before its last frame.
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        context = stream.codec_context
        rate = stream.average_rate or stream.guessed_rate
        frames = _count_packets(path, container, stream)
        return VideoInfo(frames, context.height, context.width, _check_rate(path, rate), context.name)


def read_video_header(path: Path) -> VideoHeader:
    """Return the properties in the header of a video, and check that the boxes of an mp4 file are complete; much faster than ``probe``.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a video, or ends inside a box (a section of an mp4 file).
    """
    with open_video(path, _HEADER_ONLY) as container:
        stream = video_stream(path, container)
        if "mp4" in container.format.name:
            _check_length(path)
        context = stream.codec_context
        rate = float(stream.average_rate or stream.guessed_rate or 0.0)
        return VideoHeader(stream.frames, context.height, context.width, rate, _unevenness(stream))


def read_frame_times(path: Path) -> list[float]:
    """Return the times in seconds at which the frames of a video are shown, in order, without decoding them.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a video.
    """
    with open_video(path) as container:
        stream = video_stream(path, container)
        packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
        return sorted(float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None)


def video_stream(path: Path, container: Any) -> Any:
    """Return the first video stream (a PyAV object) of a container, after checking its frame size.

    Raises:
        VideoError: there is no video stream or no decoder for it, or the frame size is missing or exceeds ``MAX_SIDE``.
    """
    if not container.streams.video:
        raise VideoError(f"{path} has no video stream: encode or download it again")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise VideoError(f"{path}: no decoder is installed for its codec; encode it as H.264")
    height, width = stream.codec_context.height, stream.codec_context.width
    if not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise VideoError(f"{path} has frames of {height}x{width} pixels, expected 1 to {MAX_SIDE} per side")
    return stream


def truncation_error(path: Path, found: int, expected: int) -> VideoError:
    """Return the VideoError for a file with only ``found`` complete frames of the ``expected`` ones; the caller raises it."""
    return VideoError(
        f"{path} is truncated or damaged: {found} complete frames, expected {expected} from its header; encode or download it again"
    )


def _count_packets(path: Path, container: Any, stream: Any) -> int:
    """Return the number of frames that a decoder outputs, by counting packets; in every supported codec, a packet is a frame.

    Raises:
        VideoError: a packet is damaged, there are fewer packets than the header says, or there are no frames.
    """
    packets = shown = 0
    for packet in container.demux(stream):
        if packet.size == 0:  # the empty packet that flushes a decoder
            continue
        if packet.is_corrupt:
            raise truncation_error(path, packets, _frames_in_header(container, stream))
        packets += 1
        shown += not packet.is_discard
    expected = _frames_in_header(container, stream)
    if packets < expected:
        raise truncation_error(path, packets, expected)
    if shown == 0:
        raise VideoError(f"{path} has 0 frames: write it again")
    return shown


def _frames_in_header(container: Any, stream: Any) -> int:
    """Return the number of frames according to the header: mp4 stores it, and Matroska implies it by its duration; 0 if unknown."""
    if stream.frames:
        return int(stream.frames)
    duration = container.duration if "matroska" in container.format.name and len(container.streams) == 1 else None
    return round(duration / av.time_base * float(stream.average_rate)) if duration and stream.average_rate else 0


def _unevenness(stream: Any) -> float:
    """Return ``VideoHeader.unevenness`` of a stream, from the times of decoding in an mp4 file's index; they are as even as the frames'."""
    times = np.array([entry.timestamp for entry in stream.index_entries], dtype=np.float64)
    if len(times) < 3 or times[-1] <= times[0]:
        return 0.0
    places = (times - times[0]) / (times[-1] - times[0]) * (len(times) - 1)
    return float(np.abs(places - np.arange(len(times))).max())


def _check_rate(path: Path, rate: Any) -> float:
    fps = float(rate) if rate else math.nan
    if not (math.isfinite(fps) and fps > 0):
        raise VideoError(f"{path} has frame rate {fps}, expected a positive number: encode it again with a frame rate")
    return fps


def _check_length(path: Path) -> None:
    """Raise VideoError if a top-level box (length and name: ISO/IEC 14496-12, 4.2) extends past the end of the file."""
    size = path.stat().st_size
    start = 0
    with path.open("rb") as stream:
        while start < size:
            stream.seek(start)
            header = stream.read(16)
            length = struct.unpack(">I", header[:4])[0] if len(header) >= 8 else 0
            if length == 1 and len(header) == 16:
                length = struct.unpack(">Q", header[8:])[0]
            elif length == 0 and len(header) >= 8:
                length = size - start  # to the end of the file
            if length < 8 or start + length > size:
                raise VideoError(
                    f"{path} is truncated or damaged: it has {size} bytes, its box at {start} ends at {start + length}; download it again"
                )
            start += length
