"""The one way that frames are cropped and resized: an FFmpeg filter graph, so that a large frame is never copied whole into Python."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import av.filter
import numpy as np

from hoibench.clip import Array

Box = tuple[int, int, int, int]
"""(top, left, height, width), pixels."""

# Each colour is resized alone, as a grey image, with Catmull-Rom's cubic (a = -0.5); accurate_rnd and bitexact give equal values on every machine.
_BICUBIC = "flags=bicubic+accurate_rnd+bitexact:param0=0:param1=0.5"
_COLOURS = 3
# Colour is stored for blocks of pixels: a box of whole blocks is cut first, and what is over once every pixel has its colour.
_BLOCK = 16


class Scaler:
    """Cuts ``box`` out of the PyAV frames of one video, whole by default, and resizes it to ``size`` (h, w) with the bicubic filter.

    When shrinking, the filter's support grows with the factor, so nothing aliases.  Pixel areas are aligned, as in ``geometry.resize_intrinsics``.
    """

    def __init__(self, size: tuple[int, int], box: Box | None = None) -> None:
        self._size = size
        self._box = box
        self._graph: Any = None  # it needs the first frame's format

    def __call__(self, frame: Any) -> Array:
        """The resized box, (h, w, 3) uint8 RGB, of a PyAV frame; the box lies inside it."""
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
        blocks = _whole_blocks(box, (frame.height, frame.width))
        inner = (box[0] - blocks[0], box[1] - blocks[1], box[2], box[3])
        stages = [("crop", _crop(blocks)), ("format", "rgb24"), ("crop", _crop(inner)), ("format", "gbrp")]
        for name, arguments in stages:
            stage = graph.add(name, arguments)
            end.link_to(stage)
            end = stage
        split = graph.add("extractplanes", "r+g+b")
        end.link_to(split)
        self._sinks = [self._add_colour(split, index) for index in range(_COLOURS)]
        graph.configure()

    def _add_colour(self, split: Any, index: int) -> Any:
        height, width = self._size
        scale = self._graph.add("scale", f"{width}:{height}:{_BICUBIC}")
        sink = self._graph.add("buffersink")
        split.link_to(scale, index)
        scale.link_to(sink)
        return sink


def _whole_blocks(box: Box, size: tuple[int, int]) -> Box:
    """The smallest box of whole blocks around ``box``, cut at the frame's end."""
    top, left = box[0] - box[0] % _BLOCK, box[1] - box[1] % _BLOCK
    bottom, right = (
        min(-(-(start + length) // _BLOCK) * _BLOCK, whole)
        for start, length, whole in zip(box[:2], box[2:], size, strict=True)
    )
    return top, left, bottom - top, right - left


def _crop(box: Box) -> str:
    top, left, height, width = box
    return f"{width}:{height}:{left}:{top}:exact=1"
