"""Maps between the frames of a clip and those that a method works on: crop, pad, stretch, and the way back; and between numbers of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from hoibench.clip import Array
from hoibench.video.resizing import Box


@dataclass(frozen=True)
class FrameMap:
    """An axis-aligned map between the pictures of a clip and those of a method, which show a box of them at another size.

    Pixel centres have integer coordinates, and the outer edges of box and native picture coincide.

    Attributes:
        size: (H, W) of the clip's pictures.
        box: (top, left, height, width) in the clip's pixels of the region that the method sees; it may exceed the pictures, which are padded there.
        native: (h, w) of the method's pictures.
    """

    size: tuple[int, int]
    box: Box
    native: tuple[int, int]

    @classmethod
    def stretch(cls, size: tuple[int, int], native: tuple[int, int]) -> Self:
        """Return the map that stretches complete pictures of ``size`` to ``native``."""
        return cls(size, (0, 0, *size), native)

    @classmethod
    def letterbox(cls, size: tuple[int, int], native: tuple[int, int]) -> Self:
        """Return the map that pads pictures of ``size`` evenly to the shape of ``native``, and scales them by one factor."""
        raise NotImplementedError

    def to_native(self, frames: Array, fill: int = 0) -> Array:
        """Return the (n, h, w, 3) uint8 frames that the method sees of the clip's frames (n, H, W, 3); ``fill`` is the colour of the padding."""
        raise NotImplementedError

    def to_source(self, frames: Array, fill: int = 0) -> Array:
        """Return the method's frames (n, h, w, 3) uint8 as (n, H, W, 3) frames of the clip; ``fill`` is the colour outside the box."""
        raise NotImplementedError

    def maps_to_source(self, maps: Array) -> Array:
        """Return float maps (n, h, w, c) on the clip's pixels, (n, H, W, c): the value of the nearest cell, never a mean; NaN outside the box."""
        raise NotImplementedError

    def K_native(self, K: Array) -> Array:
        """Return intrinsics K (3, 3) of the clip's pictures for the method's pictures."""
        raise NotImplementedError

    def to_native_pixels(self, uv: Array) -> Array:
        """Return pixels (..., 2) of the clip's pictures as pixels of the method's."""
        raise NotImplementedError

    def to_source_pixels(self, uv: Array) -> Array:
        """Return pixels (..., 2) of the method's pictures as pixels of the clip's."""
        raise NotImplementedError


def hold_last_frame(frames: Array, n: int) -> Array:
    """Return frames (N, ...) with the last one repeated until there are ``n``; ``n`` is at least N."""
    raise NotImplementedError


def first_frames(frames: Array, n: int) -> Array:
    """Return the first ``n`` of the frames (N, ...).

    Raises:
        ValueError: there are fewer.
    """
    raise NotImplementedError
