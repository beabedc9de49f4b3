"""Point maps: one camera-space point a pixel, sampled where the truth projects to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.metrics.point_sets import PointSet

DEPTH_JUMP = 0.02
"""A sample is invalid where the depth of a pixel beside it differs by more than this share."""
_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))


def sample_point_maps(maps: Array, pixels: Array, sizes: Sequence[tuple[int, int]]) -> tuple[PointSet, Array]:
    """The point of the map's pixel nearest to each given pixel.

    A sample is invalid outside the map, where the map holds no finite point in front of the camera, and at a depth edge: where one of
    the four pixels beside it has no finite depth, or one that differs by more than 2 %.

    Args:
        maps: (V, N, h, w, 3) camera-space points.
        pixels: (V, N, K, 2) pixels of images of the views' ``sizes``; infinite where there is nothing to sample.
        sizes: (H, W) of each view.

    Returns:
        The samples (V, N, K, 3), and the centres of the map pixels that were read, (V, N, K, 2) in the images' pixels, infinite outside.
    """
    check_shape("maps", maps, (*pixels.shape[:2], "h", "w", 3))
    check_shape("pixels", pixels, (len(sizes), "N", "K", 2))
    xyz, valid = np.zeros((*pixels.shape[:3], 3)), np.zeros(pixels.shape[:3], dtype=bool)
    centres = np.full(pixels.shape, np.inf)
    grid = np.array([maps.shape[3], maps.shape[2]])
    for v, size in enumerate(sizes):
        ratio = grid / np.array([size[1], size[0]])
        # Centres lie at integers, so an image spans [-1/2, W - 1/2), and pixel u covers map column floor((u + 1/2) w / W).
        cell = np.floor((pixels[v] + 0.5) * ratio)
        frame, point = np.nonzero(((cell >= 0) & (cell < grid)).all(axis=-1))
        column, row = cell[frame, point].astype(int).T
        centres[v, frame, point] = (cell[frame, point] + 0.5) / ratio - 0.5
        sample = maps[v, frame, row, column].astype(np.float64)
        good = np.isfinite(sample).all(axis=-1) & (sample[:, 2] > 0)
        good &= ~_at_depth_edge(maps[v], frame, row, column, sample[:, 2])
        xyz[v, frame, point] = np.where(good[:, None], sample, 0.0)
        valid[v, frame, point] = good
    return PointSet(xyz, valid), centres


def _at_depth_edge(maps: Array, frame: Array, row: Array, column: Array, depth: Array) -> Array:
    edge = np.zeros(len(depth), dtype=bool)
    height, width = maps.shape[1:3]
    for down, right in _BESIDE:
        r, c = row + down, column + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        beside = maps[frame, np.where(inside, r, row), np.where(inside, c, column), 2].astype(np.float64)
        with np.errstate(invalid="ignore"):  # where either is NaN the comparison is false, hence an edge
            smooth = np.abs(beside - depth) <= DEPTH_JUMP * np.abs(depth)
        edge |= inside & ~smooth
    return edge
