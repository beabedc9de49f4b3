"""Point maps: one camera-space point per pixel, sampled at the pixels of the true points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.metrics.point_sets import PointSet


def sample_point_maps(maps: Array, pixels: Array, sizes: Sequence[tuple[int, int]]) -> tuple[PointSet, Array]:
    """Sample point maps: return the 3D point of the map pixel that contains each given image pixel.

    A sample is invalid outside the map, and if its point is not finite or not in front of the camera.  Depth edges of the map itself are no reason:
    points at edges of the true depth are left out of the metrics instead (``TrueTracks.without_depth_edges``), the same for every method.

    Args:
        maps: (V, N, h, w, 3) camera-space points, one for each pixel of a map that covers the whole image.
        pixels: (V, N, K, 2) image pixels (x, y); infinite for points to leave out.
        sizes: (H, W) of each view's image.

    Returns:
        The samples (V, N, K, 3), and the centres of the map pixels that were read, (V, N, K, 2) in the images' pixels, infinite outside.

    >>> maps = np.full((1, 1, 2, 2, 3), 1.5)  # half the resolution of a 4x4 image
    >>> points, centres = sample_point_maps(maps, np.array([[[[3.0, 0.0], [9.0, 0.0]]]]), [(4, 4)])
    >>> points.valid.tolist(), points.xyz[0, 0, 0].tolist(), centres[0, 0, 0].tolist()
    ([[[True, False]]], [1.5, 1.5, 1.5], [2.5, 0.5])
    """
    check_shape("maps", maps, (*pixels.shape[:2], "h", "w", 3))
    check_shape("pixels", pixels, (len(sizes), "N", "K", 2))
    xyz, valid = np.zeros((*pixels.shape[:3], 3)), np.zeros(pixels.shape[:3], dtype=bool)
    centres = np.full(pixels.shape, np.inf)
    grid = np.array([maps.shape[3], maps.shape[2]])
    for v, size in enumerate(sizes):
        ratio = grid / np.array([size[1], size[0]])
        # Pixel centres are integers, so an image spans [-1/2, W - 1/2), and pixel u is in map column floor((u + 1/2) w / W).
        cell = np.floor((pixels[v] + 0.5) * ratio)
        frame, point = np.nonzero(((cell >= 0) & (cell < grid)).all(axis=-1))
        column, row = cell[frame, point].astype(int).T
        centres[v, frame, point] = (cell[frame, point] + 0.5) / ratio - 0.5
        sample = maps[v, frame, row, column].astype(np.float64)
        good = np.isfinite(sample).all(axis=-1) & (sample[:, 2] > 0)
        xyz[v, frame, point] = np.where(good[:, None], sample, 0.0)
        valid[v, frame, point] = good
    return PointSet(xyz, valid), centres
