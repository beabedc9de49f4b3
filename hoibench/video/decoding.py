"""Decode frames of a video file by frame index, never by time."""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array
from hoibench.video.decoder import DEFAULT_DECODER, Decoder
from hoibench.video.info import VideoError, VideoInfo, open_video, probe, truncation_error, video_stream
from hoibench.video.resizing import Box, Resizer, check_box

MAX_BYTES = 4 << 30
"""Maximum size in bytes of the array that ``decode`` returns; 49 TACO frames in full resolution have 1.8 GB."""

_MAX_PENDING = 3  # decoded frames that may wait for the resizing thread


def decode(path: Path, frames: Sequence[int] | None = None) -> Array:
    """Decode all frames of a video, or those with the given indices, which may be in any order and repeated.

    In both cases, the file is first checked to be complete, so that a truncated end is always detected.

    >>> import tempfile
    >>> from hoibench.video import encode
    >>> path = Path(tempfile.mkdtemp()) / "video.mp4"
    >>> encode(path, np.zeros((8, 64, 96, 3), np.uint8), fps=8)
    >>> decode(path).shape
    (8, 64, 96, 3)
    >>> decode(path, [7, 0, 0]).shape
    (3, 64, 96, 3)

    Returns:
        The frames (N, H, W, 3) uint8 RGB, converted by the colour matrix and range in the file's tags (BT.601, limited range, without tags).

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a complete video, an index is out of range, or the result would exceed ``MAX_BYTES``.
    """
    info = probe(path)
    indices = range(info.frames) if frames is None else [operator.index(index) for index in frames]
    slots = _slots(path, info, indices)
    size = len(indices) * info.height * info.width * 3
    if size > MAX_BYTES:
        raise VideoError(
            f"{path}: {len(indices)} frames of {info.height}x{info.width} take {size} bytes, over the maximum of {MAX_BYTES}: decode fewer frames"
        )
    video = np.empty((len(indices), info.height, info.width, 3), dtype=np.uint8)
    for index, frame in _decode_frames(path, info, slots):
        video[slots[index]] = frame.to_ndarray(format="rgb24", threads=1)
    return video


def decode_crop(
    path: Path, frames: Sequence[int], box: Box, size: tuple[int, int], decoder: Decoder = DEFAULT_DECODER
) -> Array:
    """Decode frames by index, cropped to ``box`` and resized to ``size``, without keeping full frames in memory.

    The result equals ``resize(crop(decode(path, frames), box), size)``.  The file is decoded once, up to the last given frame, whatever the order
    and repetitions of the indices.

    Args:
        path: the video file.
        frames: N frame indices.
        box: (top, left, height, width) in pixels of the video.
        size: (h, w) of the result in pixels.
        decoder: threads and device of the decoder; with one thread, frames are resized in it, too.

    Returns:
        The frames (N, h, w, 3) uint8 RGB, in the order of ``frames``.

    Raises:
        FileNotFoundError: the file does not exist.
        VideoError: the file is not a complete video, or a frame or the box is out of range.
        ValueError: the size is empty.
    """
    if min(size) < 1:
        raise ValueError(f"{path}: cannot resize frames to {size[0]}x{size[1]}: expected at least 1x1")
    info = probe(path)
    slots = _slots(path, info, [operator.index(index) for index in frames])
    try:
        check_box(box, (info.height, info.width))
    except ValueError as error:
        raise VideoError(f"{path}: {error}") from error
    video = np.empty((len(frames), *size, 3), dtype=np.uint8)
    resizer = Resizer(size, box)

    def fill(index: int, frame: Any) -> None:
        video[slots[index]] = resizer(frame)

    decoded = _decode_frames(path, info, slots, decoder)
    if decoder.threads == 1:
        for index, frame in decoded:
            fill(index, frame)
    else:
        _fill_in_thread(fill, decoded)
    return video


def _fill_in_thread(fill: Callable[[int, Any], None], decoded: Iterable[tuple[int, Any]]) -> None:
    """Call ``fill`` for each decoded frame, in a second thread while the next ones are decoded."""
    with ThreadPoolExecutor(1, thread_name_prefix="resize") as thread:
        pending: deque[Future[None]] = deque()
        for index, frame in decoded:
            pending.append(thread.submit(fill, index, frame))
            if len(pending) > _MAX_PENDING:
                pending.popleft().result()
        for future in pending:
            future.result()


def _slots(path: Path, info: VideoInfo, indices: Sequence[int]) -> dict[int, list[int]]:
    """Return frame index -> all positions of this index in ``indices``, i.e. in the result.

    Raises:
        VideoError: an index is out of range.
    """
    slots: dict[int, list[int]] = {}
    for slot, index in enumerate(indices):
        if not 0 <= index < info.frames:
            raise VideoError(f"{path} has no frame {index}: expected 0 to {info.frames - 1}")
        slots.setdefault(index, []).append(slot)
    return slots


def _decode_frames(
    path: Path, info: VideoInfo, indices: Collection[int], decoder: Decoder = DEFAULT_DECODER
) -> Iterator[tuple[int, Any]]:
    """Yield (index, PyAV frame) for each of the given frame indices in ascending order; ``info`` is the result of ``probe``.

    Raises:
        VideoError: the file ends before the last frame, or a frame is damaged or differs in size from the header.
    """
    if not indices:
        return
    last = max(indices)
    index = -1
    with open_video(path, device=decoder.open_device()) as container:
        stream = video_stream(path, container)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", decoder.threads
        for index, frame in enumerate(container.decode(stream)):
            if frame.is_corrupt:
                raise truncation_error(path, index, info.frames)
            if (frame.height, frame.width) != (info.height, info.width):
                raise VideoError(
                    f"{path}: frame {index} has {frame.height}x{frame.width} pixels, expected {info.height}x{info.width} from the header: "
                    "encode the video again with one size"
                )
            if index in indices:
                yield index, _as_planes(frame)
            if index == last:
                return
    raise truncation_error(path, index + 1, info.frames)


def _as_planes(frame: Any) -> Any:
    """Return a frame with chroma in two planes, as software decoders give it; hardware interleaves them.  Its values stay."""
    return frame.reformat(format="yuv420p", threads=1) if frame.format.name == "nv12" else frame
