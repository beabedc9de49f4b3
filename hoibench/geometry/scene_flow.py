"""Tracks from point maps with scene flow."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array, check_shape
from hoibench.geometry.projection import project

DEPTH_TOLERANCE = 0.05
"""Largest relative difference in depth between a point and a pixel of the map that belongs to the same surface."""


def follow_scene_flow(points: Array, flow: Array, K: Array, anchors: Array) -> tuple[Array, Array]:
    """Follow points through maps of their motion, from frame to frame.

    p[0] is the map's position in the cell of the anchor; p[n+1] = p[n] + the flow at the pixel of p[n], interpolated over those of the four cells
    around it whose depth is within 5 % of that of p[n].  A point without such cells in frame n (hidden, or outside the picture) is invalid from
    frame n + 1 on, and one whose anchor has no position, in every frame.

    Args:
        points: (N, h, w, 3) camera-space positions of a camera that does not move, NaN where there is none.
        flow: (N, h, w, 3) motion until the next frame; that of the last frame is not used.
        K: (3, 3) intrinsics in pixels of the maps.
        anchors: (K', 2) pixels of the maps in frame 0.

    Returns:
        tracks (N, K', 3) float32, zero where invalid, and valid (N, K') bool.

    >>> K = np.array([[100.0, 0, 1], [0, 100, 1], [0, 0, 1]])
    >>> points = np.broadcast_to([0.0, 0.0, 2.0], (3, 2, 2, 3))
    >>> tracks, valid = follow_scene_flow(points, np.full((3, 2, 2, 3), 0.25), K, np.array([[1.0, 1.0], [5.0, 5.0]]))
    >>> tracks[:, 0].tolist(), valid[:, 0].tolist(), bool(valid[:, 1].any())
    ([[0.0, 0.0, 2.0], [0.25, 0.25, 2.25], [0.0, 0.0, 0.0]], [True, True, False], False)
    """
    check_shape("points", points, ("N", "h", "w", 3))
    check_shape("flow", flow, points.shape)
    check_shape("anchors", anchors, ("K'", 2))
    n_frames, h, w = points.shape[:3]
    tracks, valid = np.zeros((n_frames, len(anchors), 3)), np.zeros((n_frames, len(anchors)), dtype=bool)
    cells = np.floor(anchors + 0.5)
    inside = np.flatnonzero(((cells >= 0) & (cells < (w, h))).all(axis=-1))
    column, row = cells[inside].astype(int).T
    start = points[0, row, column].astype(np.float64)
    known = np.isfinite(start).all(axis=-1) & (start[:, 2] > 0)
    tracks[0, inside[known]], valid[0, inside[known]] = start[known], True
    for n in range(n_frames - 1):
        followed = np.flatnonzero(valid[n])
        motion, found = _interpolate(points[n, ..., 2], flow[n], tracks[n, followed], K)
        tracks[n + 1, followed[found]] = tracks[n, followed[found]] + motion[found]
        valid[n + 1, followed[found]] = tracks[n + 1, followed[found], 2] > 0
    return np.where(valid[..., None], tracks, 0.0).astype(np.float32), valid


def _interpolate(depth: Array, flow: Array, xyz: Array, K: Array) -> tuple[Array, Array]:
    """Return the flow at the pixels of positions (P, 3), bilinear over the cells of like depth, (P, 3), and whether there is such a cell, (P,)."""
    h, w = depth.shape
    pixels = project(xyz, K)
    corner = np.floor(pixels)
    part = pixels - corner
    total, weights = np.zeros(xyz.shape), np.zeros(len(xyz))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        cell = corner + np.array([dx, dy])
        inside = ((cell >= 0) & (cell < (w, h))).all(axis=-1)
        column, row = np.where(inside[:, None], cell, 0).astype(int).T
        motion = flow[row, column].astype(np.float64)
        near = np.abs(depth[row, column] - xyz[:, 2]) <= DEPTH_TOLERANCE * xyz[:, 2]
        usable = inside & near & np.isfinite(motion).all(axis=-1)
        weight = np.where(usable, np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1]), 0.0)
        total += weight[:, None] * np.where(usable[:, None], motion, 0.0)
        weights += weight
    found = weights > 0
    return total / np.where(found, weights, 1.0)[:, None], found
