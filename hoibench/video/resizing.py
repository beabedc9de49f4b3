"""Crop and resize frames; those of a video file with an FFmpeg filter graph, so that a large frame is never copied to Python as a whole."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np

from hoibench.clip import Array, check_shape

Box = tuple[int, int, int, int]
"""A rectangle in an image: (top, left, height, width) in pixels."""

# Each colour channel is resized as a grey image with Catmull-Rom's cubic (a = -0.5); accurate_rnd and bitexact give equal values on every machine.
_BICUBIC = "flags=bicubic+accurate_rnd+bitexact:param0=0:param1=0.5"
_CHANNELS = 3
# Chroma is stored per block of pixels, so a box of complete blocks is cut first, and the rest once every pixel has its colour.
_BLOCK = 16


def crop(frames: Array, box: Box) -> Array:
    """Return frames (N, H, W, 3) cropped to a box, as a view of the same memory.

    >>> crop(np.zeros((25, 480, 720, 3), np.uint8), (0, 60, 480, 600)).shape
    (25, 480, 600, 3)

    Raises:
        ValueError: the box is empty or exceeds the frames.
    """
    check_shape("frames", frames, ("N", "H", "W", 3))
    check_box(box, (frames.shape[1], frames.shape[2]))
    top, left, height, width = box
    return frames[:, top : top + height, left : left + width]


def resize(frames: Array, size: tuple[int, int]) -> Array:
    """Return frames (N, H, W, 3) uint8 resized to ``size`` (H', W') with a bicubic filter (a = -0.5).

    When shrinking, the filter's support grows with the factor, so there is no aliasing.  The outer edges of the image stay
    aligned, as in ``hoibench.geometry.resize_intrinsics``.

    >>> resize(np.zeros((25, 480, 720, 3), np.uint8), (128, 192)).shape
    (25, 128, 192, 3)

    Raises:
        ValueError: the size is empty or the frames are not uint8.
    """
    check_shape("frames", frames, ("N", "H", "W", 3))
    height, width = size
    if min(size) < 1 or frames.dtype != np.uint8:
        raise ValueError(
            f"cannot resize frames of {frames.dtype} to {height}x{width}: expected uint8 frames and a size of at least 1x1"
        )
    if frames.shape[1:3] == (height, width):
        return frames.copy()
    resized = np.empty((len(frames), height, width, 3), dtype=np.uint8)
    resizer = Resizer(size)
    for source, target in zip(frames, resized, strict=True):
        target[...] = resizer(av.VideoFrame.from_ndarray(np.ascontiguousarray(source), format="rgb24"))
    return resized


def check_box(box: Box, size: tuple[int, int]) -> None:
    """Raise ValueError unless ``box`` is inside frames of ``size`` (H, W)."""
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1 or top + height > size[0] or left + width > size[1]:
        raise ValueError(
            f"crop box {box} (top, left, height, width) is not inside frames of {size[0]}x{size[1]} pixels"
        )


class Resizer:
    """Crops the PyAV frames of one video to ``box``, by default the full frame, and resizes them to ``size`` (h, w) like ``resize``."""

    def __init__(self, size: tuple[int, int], box: Box | None = None) -> None:
        self._size = size
        self._box = box
        self._graph: Any = None  # built for the format of the first frame

    def __call__(self, frame: Any) -> Array:
        """Return a PyAV frame cropped and resized, as (h, w, 3) uint8 RGB; the box must be inside the frame."""
        if self._graph is None:
            self._build(frame)
        self._source.push(frame)
        planes = [sink.pull().to_ndarray() for sink in self._sinks]
        return np.stack(planes, axis=-1)

    def _build(self, frame: Any) -> None:
        self._graph = graph = av.filter.Graph()
        self._source = end = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1)
        )
        box = self._box or (0, 0, frame.height, frame.width)
        blocks = _complete_blocks(box, (frame.height, frame.width))
        inner = (box[0] - blocks[0], box[1] - blocks[1], box[2], box[3])
        filters = [
            ("crop", _crop_arguments(blocks)),
            ("format", "rgb24"),
            ("crop", _crop_arguments(inner)),
            ("format", "gbrp"),
        ]
        for name, arguments in filters:
            step = graph.add(name, arguments)
            end.link_to(step)
            end = step
        split = graph.add("extractplanes", "r+g+b")
        end.link_to(split)
        self._sinks = [self._add_channel(split, index) for index in range(_CHANNELS)]
        graph.configure()

    def _add_channel(self, split: Any, index: int) -> Any:
        height, width = self._size
        scale = self._graph.add("scale", f"{width}:{height}:{_BICUBIC}")
        sink = self._graph.add("buffersink")
        split.link_to(scale, index)
        scale.link_to(sink)
        return sink


def _complete_blocks(box: Box, size: tuple[int, int]) -> Box:
    """Return the smallest box around ``box`` that consists of complete 16 x 16 blocks, clipped to frames of ``size`` (H, W)."""
    top, left = box[0] - box[0] % _BLOCK, box[1] - box[1] % _BLOCK
    bottom, right = (
        min(-(-(start + length) // _BLOCK) * _BLOCK, limit)
        for start, length, limit in zip(box[:2], box[2:], size, strict=True)
    )
    return top, left, bottom - top, right - left


def _crop_arguments(box: Box) -> str:
    top, left, height, width = box
    return f"{width}:{height}:{left}:{top}:exact=1"
