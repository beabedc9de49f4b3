"""The pixels that a surface can cover in an image, found from its convex hull: only rays through them need to be cast."""

from __future__ import annotations

import cv2
import numpy as np

from hoibench.clip import Array, Camera
from hoibench.geometry import project, to_camera

_MARGIN = 3
"""Pixels around the projected hull that count as covered: more than the error of drawing its corners at whole pixels."""
_FARTHEST = 10_000
"""Pixels; OpenCV draws no polygon with corners much farther away."""


def covered_pixels(hull: Array, camera: Camera) -> Array:
    """Return which pixels a surface can cover, (H, W) bool: a ray through another pixel, or through a point up to a pixel from its centre, misses it.

    Args:
        hull: (Q, 3) points in the world, in metres, whose convex hull contains the surface.
        camera: a static camera.
    """
    points = to_camera(hull, camera.R, camera.t)
    # A surface that reaches behind the camera may project anywhere.
    pixels = project(points, camera.K) if (points[:, 2] > 0.0).all() else None
    if pixels is None or not (np.abs(pixels) < _FARTHEST).all():
        return np.ones(camera.size, dtype=bool)
    drawn = np.zeros(camera.size, dtype=np.uint8)
    outline = cv2.convexHull(np.rint(pixels).astype(np.int32))
    cv2.fillConvexPoly(drawn, outline, 1)
    cv2.polylines(drawn, [outline], isClosed=True, color=1, thickness=2 * _MARGIN + 1)
    return drawn.view(bool)
