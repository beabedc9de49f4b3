"""Encode frames to video files: H.264 for compatibility, FFV1 for lossless storage."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, Interpolation

from hoibench.clip import Array, check_shape
from hoibench.store import atomic_write
from hoibench.video.info import MAX_SIDE, VideoError

Codec = Literal["h264", "ffv1"]

_GOP = 8
_MAX_FPS = 1000
_SUFFIXES: dict[str, tuple[str, ...]] = {"h264": (".mp4", ".mkv"), "ffv1": (".mkv",)}


def encode(path: Path, frames: Array, fps: float, codec: Codec = "h264", crf: int = 12, threads: int = 1) -> None:
    """Encode frames and write them to a video file atomically; equal frames give equal bytes on one machine.

    H.264 is High profile, 4:2:0, tagged as BT.709 limited range, with an intra frame every 8 frames and without B-frames (and thus without an edit
    list, so that all readers count the same frames).  Its index is at the front for playback in a browser.  FFV1 preserves RGB exactly.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "video.mp4"
    >>> encode(path, np.zeros((8, 64, 96, 3), np.uint8), fps=8)
    >>> path.stat().st_size > 0
    True

    Args:
        path: target file with suffix ``.mp4`` (H.264 only) or ``.mkv`` (both codecs).
        frames: (N, H, W, 3) uint8 RGB; H and W even for H.264.
        fps: frames per second.
        codec: ``h264`` or ``ffv1``.
        crf: H.264 quality, 0 to 51, lower is better; 12 is visually lossless.
        threads: number of threads, for colour conversion and for the encoder.

    Raises:
        VideoError: the frames, the rate or the file's suffix are invalid for the codec; names the value and the fix.
        OSError: the file cannot be written, e.g. the disk is full.
    """
    _check(path, frames, fps, codec, crf)
    with atomic_write(path) as temporary:
        options = {"fflags": "+bitexact"}  # without it, Matroska files contain a random id
        if path.suffix == ".mp4":
            options["movflags"] = "+faststart"
        with av.open(str(temporary), "w", options=options) as container:
            stream = _add_stream(container, frames, fps, codec, crf, threads)
            for frame in _convert(frames, stream.pix_fmt, threads):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))


def _check(path: Path, frames: Array, fps: float, codec: str, crf: int) -> None:
    if codec not in _SUFFIXES:
        raise VideoError(f"{path}: codec {codec!r} is not supported, expected one of {', '.join(_SUFFIXES)}")
    if path.suffix not in _SUFFIXES[codec]:
        raise VideoError(f"{path}: {codec} needs a {' or '.join(_SUFFIXES[codec])} file, not {path.suffix!r}")
    check_shape(f"{path}: frames", frames, ("N", "H", "W", 3))
    if frames.dtype != np.uint8:
        raise VideoError(f"{path}: frames have dtype {frames.dtype}, expected uint8 in 0..255")
    n, height, width, _ = frames.shape
    if n == 0 or not (0 < height <= MAX_SIDE and 0 < width <= MAX_SIDE):
        raise VideoError(
            f"{path}: {n} frames of {height}x{width} pixels, expected at least 1 frame of 1 to {MAX_SIDE} pixels per side"
        )
    if codec == "h264" and (height % 2 or width % 2):
        raise VideoError(
            f"{path}: H.264 needs an even height and width, found {height}x{width}; crop to {height - height % 2}x{width - width % 2} or use ffv1"
        )
    if not 0 < fps <= _MAX_FPS:  # false for NaN, too
        raise VideoError(f"{path}: fps is {fps}, expected a number above 0 and at most {_MAX_FPS}")
    if not 0 <= crf <= 51:
        raise VideoError(f"{path}: crf is {crf}, expected 0 to 51")


def _add_stream(container: Any, frames: Array, fps: float, codec: Codec, crf: int, threads: int) -> Any:
    rate = Fraction(fps).limit_denominator(1001)
    if codec == "ffv1":
        stream = container.add_stream("ffv1", rate=rate, options={"level": "3", "slicecrc": "1"})
        stream.pix_fmt = "bgr0"
    else:
        options = {"crf": str(crf), "preset": "fast", "bf": "0", "g": str(_GOP)}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        stream.color_range = ColorRange.MPEG
        stream.colorspace = Colorspace.ITU709
        stream.color_primaries = ColorPrimaries.BT709
        stream.color_trc = ColorTrc.BT709
    stream.height, stream.width = frames.shape[1:3]
    stream.codec_context.thread_count = threads
    return stream


def _convert(frames: Array, pix_fmt: str, threads: int) -> Iterator[Any]:
    for index, rgb in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        if pix_fmt == "yuv420p":
            frame = frame.reformat(
                format=pix_fmt,
                interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
                dst_colorspace=Colorspace.ITU709,
                threads=threads,
            )
        else:
            frame = frame.reformat(format=pix_fmt, threads=threads)
        frame.pts = index
        yield frame
