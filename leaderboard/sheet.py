"""Sprite sheets: one image with all frames of a video, which a browser plays by frame index, so that all videos stand at the same frame.

Under each frame is its *mark*, 16 black or white blocks that tell frame and view; the page hides it, and tests read it back from what the
browser draws.
"""

from __future__ import annotations

import math

import numpy as np

from hoibench.clip import Array

MAX_TILE_WIDTH = 320
MAX_TILE_HEIGHT = 640
MIN_TILE_WIDTH = 32
MAX_FRAMES = 256
"""Frames of a video that a sheet has: as many as marks can tell."""
MARK_HEIGHT = 8
MARK_BLOCKS = 16


def draw_sheet(frames: Array, view: int) -> Array:
    """Return frames (N, h, w, 3) uint8 as one image, (ceil(N / g) (h + 8), g w, 3): g = ceil(sqrt(N)) tiles a row, each a frame with its mark below.

    >>> draw_sheet(np.zeros((25, 128, 192, 3), np.uint8), view=0).shape
    (680, 960, 3)
    """
    n, height, width, _ = frames.shape
    grid = sheet_grid(n)
    tiles = np.zeros((math.ceil(n / grid) * grid, height + MARK_HEIGHT, width, 3), np.uint8)
    tiles[:n, :height] = frames
    block_of = np.arange(width) * MARK_BLOCKS // width
    for index in range(n):
        tiles[index, height:] = 255 * frame_mark(index, view)[block_of, None]
    rows = tiles.reshape(-1, grid, height + MARK_HEIGHT, width, 3)
    return rows.swapaxes(1, 2).reshape(-1, grid * width, 3)


def sheet_grid(frames: int) -> int:
    """Return the number of tiles in a row of a sheet with some number of frames."""
    return math.isqrt(max(frames, 1) - 1) + 1


def frame_mark(frame: int, view: int) -> Array:
    """Return the mark of a frame, (16,) uint8 of 0 and 1: frame (8 bits, the highest first), view (4) and a check sum (4), all modulo their range."""
    frame, view = frame % 256, view % 16
    check = (frame // 16 + frame % 16 + view + 5) % 16
    return np.array([bit == "1" for bit in f"{frame:08b}{view:04b}{check:04b}"], np.uint8)


def tile_size(height: int, width: int) -> tuple[int, int]:
    """Return the size (h, w) of a tile for frames of a video, both even: at most 320 wide and 640 high, and wide enough for its mark.

    >>> tile_size(128, 192), tile_size(720, 1280)
    ((128, 192), (180, 320))
    """
    w = 2 * (min(max(width, MIN_TILE_WIDTH), MAX_TILE_WIDTH) // 2)
    return min(max(2, 2 * round(height * w / width / 2)), MAX_TILE_HEIGHT), w
