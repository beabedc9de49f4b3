"""The header of a video file: what it promises, and whether an mp4 is as long as its boxes say, without decoding a frame."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from hoibench.video.info import VideoError, open_video, video_stream

# Without these, opening a file decodes its first frame to learn the layout of its pixels, which a head does not tell of.
_UNDECODED = {"skip_frame": "all", "probesize": "32"}


@dataclass(frozen=True)
class VideoHeader:
    """N ``frames`` (0 where the head does not say) of ``height`` x ``width`` pixels at ``fps``."""

    frames: int
    height: int
    width: int
    fps: float


def read_video_header(path: Path) -> VideoHeader:
    """The header of a video.

    Raises:
        FileNotFoundError: there is no such file.
        VideoError: it is no video, or shorter than its boxes say; names the file.
    """
    with open_video(path, _UNDECODED) as container:
        stream = video_stream(path, container)
        if "mp4" in container.format.name:
            _check_length(path)
        context = stream.codec_context
        return VideoHeader(stream.frames, context.height, context.width, float(stream.average_rate or 0.0))


def _check_length(path: Path) -> None:
    """Raise VideoError where the top boxes, each a length and a name (ISO/IEC 14496-12, 4.2), reach past the file's end."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as stream:
        while at < size:
            stream.seek(at)
            head = stream.read(16)
            length = struct.unpack(">I", head[:4])[0] if len(head) >= 8 else 0
            if length == 1 and len(head) == 16:
                length = struct.unpack(">Q", head[8:])[0]
            elif length == 0 and len(head) >= 8:
                length = size - at  # to the end of the file
            if length < 8 or at + length > size:
                raise VideoError(
                    f"{path} is truncated or damaged: it has {size} bytes, its box at {at} reaches to {at + length}; download it again"
                )
            at += length
