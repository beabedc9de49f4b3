"""Frames on another grid: crop, resize."""

from __future__ import annotations

import av
import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.video.scaling import Scaler


def crop(frames: Array, box: tuple[int, int, int, int]) -> Array:
    """Cut ``box`` = (top, left, height, width), pixels, out of (N, H, W, 3) frames, as a view of them.

    Raises:
        ValueError: the box is empty or leaves the frame.
    """
    check_shape("frames", frames, ("N", "H", "W", 3))
    top, left, height, width = box
    if min(top, left) < 0 or min(height, width) < 1 or top + height > frames.shape[1] or left + width > frames.shape[2]:
        raise ValueError(
            f"crop box {box} (top, left, height, width) does not lie inside frames of {frames.shape[1]}x{frames.shape[2]} pixels"
        )
    return frames[:, top : top + height, left : left + width]


def resize(frames: Array, size: tuple[int, int]) -> Array:
    """Resize (N, H, W, 3) uint8 frames to ``size`` = (H', W') with a bicubic filter (a = -0.5), by FFmpeg's swscale.

    When shrinking, the filter's support grows with the factor, so nothing aliases.  Pixel areas are aligned, as in
    ``geometry.resize_intrinsics``.

    Raises:
        ValueError: the size is empty or the frames are not uint8.
    """
    check_shape("frames", frames, ("N", "H", "W", 3))
    height, width = size
    if min(size) < 1 or frames.dtype != np.uint8:
        raise ValueError(
            f"frames of {frames.dtype} cannot be resized to {height}x{width}: expected uint8 and at least 1x1"
        )
    if frames.shape[1:3] == (height, width):
        return frames.copy()
    resized = np.empty((len(frames), height, width, 3), dtype=np.uint8)
    scaler = Scaler(size)
    for source, target in zip(frames, resized, strict=True):
        target[...] = scaler(av.VideoFrame.from_ndarray(np.ascontiguousarray(source), format="rgb24"))
    return resized
