"""Decode keyframes of a video, which are cheap to decode: no other frame is needed for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.video.info import VideoError, open_video, video_stream
from hoibench.video.resizing import Box, Resizer


def read_keyframes(path: Path) -> tuple[int, ...]:
    """Return the places of the keyframes in the index of a video's header, without reading its frames; empty if it has no index.

    The index is in the order of decoding, which differs from that of the frames by a few if frames depend on later ones.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a video.
    """
    with open_video(path) as container:
        entries = video_stream(path, container).index_entries
        return tuple(place for place, entry in enumerate(entries) if entry.is_keyframe)


def decode_keyframes(
    path: Path, places: Sequence[int], size: tuple[int, int], box: Box | None = None
) -> tuple[tuple[int, ...], Array]:
    """Decode keyframes of a video at a constant rate, resized to ``size`` (h, w).

    Complete frames are resized by averaging areas, which is fast; those that are cropped to ``box``, as by ``decode_crop``.

    Args:
        path: the video file.
        places: N places in the index, from ``read_keyframes``.
        size: (h, w) in pixels.
        box: (top, left, height, width) in pixels of the video, or None for the complete frame.

    Returns:
        The numbers of the frames, and the frames (N, h, w, 3) uint8 RGB.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a video, is damaged, or has no such keyframe.
    """
    height, width = size
    numbers, pictures = [], np.empty((len(places), height, width, 3), dtype=np.uint8)
    with open_video(path) as container:
        stream = video_stream(path, container)
        stream.codec_context.skip_frame = "NONKEY"
        entries = stream.index_entries
        for picture, place in zip(pictures, places, strict=True):
            if not (0 <= place < len(entries) and entries[place].is_keyframe):
                raise VideoError(f"{path} has no keyframe at place {place} of its index")
            container.seek(entries[place].timestamp, stream=stream)
            frame = next(container.decode(stream), None)
            if frame is None or frame.is_corrupt or frame.pts is None:
                raise VideoError(f"{path} is damaged near frame {place}: encode or download it again")
            time = (frame.pts - (stream.start_time or 0)) * stream.time_base
            numbers.append(round(time * (stream.average_rate or stream.guessed_rate)))
            if box is not None:
                picture[...] = Resizer(size, box)(frame)
            else:
                picture[...] = frame.to_ndarray(width=width, height=height, format="rgb24", interpolation="AREA")
    return tuple(numbers), pictures
