"""Tracks from point maps with scene flow."""

from __future__ import annotations

from hoibench.clip import Array


def follow_scene_flow(points: Array, flow: Array, K: Array, anchors: Array) -> tuple[Array, Array]:
    """Follow points through maps of their motion, from frame to frame.

    p[0] is the map's position in the cell of the anchor; p[n+1] = p[n] + the flow at the pixel of p[n], interpolated over those of the four cells
    around it whose depth is within 5 % of that of p[n].  A point without such cells, or outside the picture, is invalid from then on.

    Args:
        points: (N, h, w, 3) camera-space positions of a camera that does not move, NaN where there is none.
        flow: (N, h, w, 3) motion until the next frame; that of the last frame is not used.
        K: (3, 3) intrinsics in pixels of the maps.
        anchors: (K', 2) pixels of the maps in frame 0.

    Returns:
        tracks (N, K', 3) float32 and valid (N, K') bool.
    """
    raise NotImplementedError
