"""The crop of a view: one static box around the true hands and objects."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import Surface, bounding_box
from hoibench.datasets.taco.protocol import SIZE, CropRule
from hoibench.geometry import crop_intrinsics, project, resize_intrinsics, to_camera
from hoibench.video import Box

_ASPECT = SIZE[1] / SIZE[0]
_GROWTH: dict[CropRule, float] = {"clip": 1.0 + 2 * 0.15, "frame0": 1.6}
_SMALLEST = 22  # columns; smaller boxes do not have the aspect ratio


@dataclass(frozen=True, eq=False)
class Extent:
    """The bounding box of the vertices of hands and objects projected into an image, clipped to the image.

    Attributes:
        low, high: (2,) corners (x, y) in pixels; the left edge of pixel 0 is at 0, its centre at 0.5.
        is_visible: True if a vertex is inside the image.
    """

    low: Array
    high: Array
    is_visible: bool

    @classmethod
    def from_vertices(cls, vertices: Array, camera: Camera) -> Extent:
        """Return the extent in a camera's image of vertices (P, 3), in metres in the world; NaN and vertices behind the camera are ignored."""
        points = to_camera(vertices, camera.R, camera.t)
        points = points[points[:, 2] > 0.0]
        edge = np.array(camera.size[::-1], dtype=np.float64)
        if len(points) == 0:
            return cls(edge, np.zeros(2), False)
        pixels = project(points, camera.K) + 0.5
        inside = ((pixels >= 0.0) & (pixels <= edge)).all(axis=1).any()
        low, high = bounding_box(pixels)
        return cls(np.clip(low, 0.0, edge), np.clip(high, 0.0, edge), bool(inside))

    @classmethod
    def from_surface(cls, surface: Surface, frame: int, camera: Camera) -> Extent:
        """Return the extent of a surface's vertices in one frame; equals ``from_vertices`` of all of them, found from those of the convex hull."""
        vertices = surface.vertices[frame]
        if surface.recorded[frame]:
            hull = vertices[surface.hull]
            extent = cls.from_vertices(hull, camera)
            # In front of the camera, the outermost projections are of vertices of the hull; if it surrounds the image, others may be inside.
            if _is_in_front(hull, camera) and (extent.is_visible or (extent.low >= extent.high).any()):
                return extent
        return cls.from_vertices(vertices, camera)

    def join(self, other: Extent) -> Extent:
        """Return the bounding box of both extents, visible if either is."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Extent(low, high, self.is_visible or other.is_visible)


def crop_box(extents: Iterable[Extent], rule: CropRule, size: tuple[int, int], camera: str) -> Box:
    """Return the crop (top, left, height, width) of a view: even integers, aspect 22:15, inside the image of ``size`` (H, W).

    1. The bounding box of the projected vertices of hands and objects in front of the camera, clipped to the image, over all valid frames of the
       clip (rule ``clip``) or in its first frame (rule ``frame0``).
    2. Each side is multiplied, about the box's centre: by 1.3 (a margin of 15 % per side) under ``clip``, by 1.6 under ``frame0``.
    3. The side that is too short for the aspect ratio grows about the centre; the width is rounded up to an even number, at least 22, and the
       height is the even number nearest to 15/22 of it.
    4. If the image is too small, the box is the largest that fits.
    5. The corner is rounded to the nearest even number and shifted until the box is inside the image.

    Args:
        extents: extents in the frames that the rule uses.
        rule: ``clip`` or ``frame0``.
        size: (H, W) of the image.
        camera: name of the camera for error messages.

    Raises:
        ValueError: no vertex is in the image, or the image is smaller than any box; names the camera.
    """
    union: Extent | None = None
    for extent in extents:
        union = extent if union is None else union.join(extent)
    if union is None or not union.is_visible:
        raise ValueError(
            f"camera {camera} sees no hand or object: its calibration belongs to another camera, or K to another image size"
        )
    sides = (union.high - union.low) * _GROWTH[rule]
    least_width = max(float(sides[0]), float(sides[1]) * _ASPECT)
    width = min(max(2 * math.ceil(least_width / 2), _SMALLEST), _widest(size))
    if width < _SMALLEST:
        raise ValueError(f"camera {camera}: an image of {size[0]}x{size[1]} pixels is too small to crop")
    height = _height(width)
    centre = (union.low + union.high) / 2
    return _corner(centre[1], height, size[0]), _corner(centre[0], width, size[1]), height, width


def crop_camera(camera: Camera, box: Box) -> Camera:
    """Return the camera of a view that is cropped to ``box`` (top, left, height, width) and resized to the protocol's 480x704 pixels."""
    K = resize_intrinsics(crop_intrinsics(camera.K, *box[:2]), box[2:], SIZE)
    return Camera(K, camera.R, camera.t, SIZE)


def _is_in_front(vertices: Array, camera: Camera) -> bool:
    return bool((to_camera(vertices, camera.R, camera.t)[:, 2] > 0.0).all())


def _height(width: int) -> int:
    return 2 * round(width / _ASPECT / 2)


def _widest(size: tuple[int, int]) -> int:
    """Return the largest even width of a crop box, of aspect 22:15, that fits into an image of ``size`` (H, W)."""
    width = 2 * (min(size[1], math.ceil(size[0] * _ASPECT) + 2) // 2)
    while _height(width) > size[0]:
        width -= 2
    return width


def _corner(centre: float, length: int, image: int) -> int:
    last = (image - length) // 2
    return 2 * min(max(round((centre - length / 2) / 2), 0), last)
