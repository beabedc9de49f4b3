"""Maps between the frames of a clip and those that a method works on: crop, pad, stretch, and the way back; and between numbers of frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from hoibench.clip import Array, check_float, check_shape
from hoibench.geometry import crop_intrinsics, resize_intrinsics
from hoibench.video.resizing import Box, resize


@dataclass(frozen=True)
class FrameMap:
    """An axis-aligned map between the pictures of a clip and those of a method, which show a box of them at another size.

    Pixel centres have integer coordinates, and the outer edges of box and native picture coincide.

    >>> padded = FrameMap.letterbox(size=(480, 704), native=(384, 512))
    >>> padded.box
    (-24, 0, 528, 704)
    >>> padded.to_native(np.zeros((25, 480, 704, 3), np.uint8)).shape
    (25, 384, 512, 3)
    >>> padded.maps_to_source(np.zeros((25, 384, 512, 1), np.float32)).shape
    (25, 480, 704, 1)

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
        """Return the map that pads pictures of ``size`` evenly to the shape of ``native``, and scales them by one factor.

        The padded picture has whole pixels: where its shape needs rounding, the factors of the two axes differ by as much.
        """
        height, width = size
        boxed = max(height, round(width * native[0] / native[1])), max(width, round(height * native[1] / native[0]))
        return cls(size, (-((boxed[0] - height) // 2), -((boxed[1] - width) // 2), *boxed), native)

    def to_native(self, frames: Array, fill: int = 0) -> Array:
        """Return the (n, h, w, 3) uint8 frames that the method sees of the clip's frames (n, H, W, 3); ``fill`` is the colour of the padding."""
        check_shape("frames", frames, ("N", *self.size, 3))
        boxed = np.full((len(frames), *self.box[2:], 3), fill, np.uint8)
        picture, inside = self._overlap()
        boxed[:, *inside] = frames[:, *picture]
        return resize(boxed, self.native)

    def to_source(self, frames: Array, fill: int = 0) -> Array:
        """Return the method's frames (n, h, w, 3) uint8 as (n, H, W, 3) frames of the clip; ``fill`` is the colour outside the box."""
        check_shape("frames", frames, ("N", *self.native, 3))
        whole = np.full((len(frames), *self.size, 3), fill, np.uint8)
        picture, inside = self._overlap()
        whole[:, *picture] = resize(frames, self.box[2:])[:, *inside]
        return whole

    def maps_to_source(self, maps: Array) -> Array:
        """Return float maps (n, h, w, c) on the clip's pixels, (n, H, W, c): the value of the nearest cell, never a mean; NaN outside the box."""
        check_float("maps", maps)
        check_shape("maps", maps, ("N", *self.native, "c"))
        whole = np.full((len(maps), *self.size, maps.shape[-1]), np.nan, maps.dtype)
        picture, inside = self._overlap()
        rows, columns = (
            (2 * np.arange(part.start, part.stop) + 1) * new // (2 * old)
            for part, old, new in zip(inside, self.box[2:], self.native, strict=True)
        )
        whole[:, *picture] = maps[:, rows[:, None], columns]
        return whole

    def K_native(self, K: Array) -> Array:
        """Return intrinsics K (3, 3) of the clip's pictures for the method's pictures."""
        top, left, height, width = self.box
        return resize_intrinsics(crop_intrinsics(K, top, left), (height, width), self.native)

    def _overlap(self) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the rows and columns that picture and box share, as slices of the picture and of the box."""
        picture, inside = [], []
        for start, length, limit in zip(self.box[:2], self.box[2:], self.size, strict=True):
            first, end = min(max(start, 0), limit), min(max(start + length, 0), limit)
            picture.append(slice(first, end))
            inside.append(slice(first - start, end - start))
        return (picture[0], picture[1]), (inside[0], inside[1])


def hold_last_frame(frames: Array, n: int) -> Array:
    """Return frames (N, ...) with the last one repeated until there are ``n``; ``n`` is at least N."""
    return frames[np.minimum(np.arange(n), len(frames) - 1)]


def first_frames(frames: Array, n: int) -> Array:
    """Return the first ``n`` of the frames (N, ...).

    Raises:
        ValueError: there are fewer.
    """
    if len(frames) < n:
        raise ValueError(f"the method has made {len(frames)} frames, expected at least {n}")
    return frames[:n]
