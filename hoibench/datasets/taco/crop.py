"""Where a view of a clip is cropped: one static box, from what is true of the hands and objects (PROTOCOL, "Crop")."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.surfaces import bounding_box
from hoibench.datasets.taco.protocol import SIZE, CropRule
from hoibench.geometry import crop_intrinsics, project, resize_intrinsics, to_camera
from hoibench.video import Box

_ASPECT = SIZE[1] / SIZE[0]
_GROWTH: dict[CropRule, float] = {"clip": 1.0 + 2 * 0.15, "frame0": 1.6}
_SMALLEST = 22  # columns: a box of one pixel has no aspect


@dataclass(frozen=True, eq=False)
class Extent:
    """What vertices cover of an image, in pixels from its outer edge: ``low`` and ``high`` (x, y), cut at the image.

    Attributes:
        low, high: (2,); the left edge of pixel 0 is at 0, its centre at 0.5.
        seen: whether any vertex lies inside the image.
    """

    low: Array
    high: Array
    seen: bool

    @classmethod
    def of(cls, vertices: Array, camera: Camera) -> Extent:
        """The extent of vertices (P, 3), world, metres; those behind the camera, or NaN, are left out."""
        points = to_camera(vertices, camera.R, camera.t)
        points = points[points[:, 2] > 0.0]
        edge = np.array(camera.size[::-1], dtype=np.float64)
        if len(points) == 0:
            return cls(edge, np.zeros(2), False)
        pixels = project(points, camera.K) + 0.5
        seen = ((pixels >= 0.0) & (pixels <= edge)).all(axis=1).any()
        low, high = bounding_box(pixels)
        return cls(np.clip(low, 0.0, edge), np.clip(high, 0.0, edge), bool(seen))

    def join(self, other: Extent) -> Extent:
        """The extent of both."""
        return Extent(np.minimum(self.low, other.low), np.maximum(self.high, other.high), self.seen or other.seen)


def crop_box(extents: Iterable[Extent], rule: CropRule, size: tuple[int, int], camera: str) -> Box:
    """The box (top, left, height, width) that a view is cropped to: integer, even, of aspect 22:15, inside its image of ``size`` (H, W).

    1. The truth's extent: the smallest box around the projected vertices of hands and objects that are in front of the camera, cut at the image;
       under rule ``clip`` of all valid frames of the clip, under ``frame0`` of its first frame.
    2. Each side is multiplied, about the box's centre: by 1.3 (a margin of 15 % a side) under ``clip``, by 1.6 under ``frame0``.
    3. The side that is too short for the aspect grows about the centre; the width is rounded up to an even number, at least 22, and the height
       is the even number nearest to 15/22 of it.
    4. An image too small for that gives the largest such box that fits.
    5. The corner is the even number nearest to where the box is centred, shifted until the box lies inside the image.

    Args:
        extents: of the frames that the rule asks for.
        rule: ``clip`` or ``frame0``.
        size: (H, W) of the image.
        camera: its name, for the error.

    Raises:
        ValueError: no vertex of the truth is in the image, or the image is smaller than any box; names the camera.
    """
    whole: Extent | None = None
    for extent in extents:
        whole = extent if whole is None else whole.join(extent)
    if whole is None or not whole.seen:
        raise ValueError(
            f"camera {camera} sees nothing of the hands and objects: its calibration is of another rig, or K of another size"
        )
    sides = (whole.high - whole.low) * _GROWTH[rule]
    wanted = max(float(sides[0]), float(sides[1]) * _ASPECT)
    width = min(max(2 * math.ceil(wanted / 2), _SMALLEST), _widest(size))
    if width < _SMALLEST:
        raise ValueError(f"camera {camera}: an image of {size[0]}x{size[1]} pixels is too small to crop")
    height = _height(width)
    centre = (whole.low + whole.high) / 2
    return _corner(centre[1], height, size[0]), _corner(centre[0], width, size[1]), height, width


def crop_camera(camera: Camera, box: Box) -> Camera:
    """The camera of the view that is cropped to ``box`` and resized to the protocol's size."""
    K = resize_intrinsics(crop_intrinsics(camera.K, *box[:2]), box[2:], SIZE)
    return Camera(K, camera.R, camera.t, SIZE)


def _height(width: int) -> int:
    return 2 * round(width / _ASPECT / 2)


def _widest(size: tuple[int, int]) -> int:
    """The largest even width whose box fits into an image."""
    width = 2 * (min(size[1], math.ceil(size[0] * _ASPECT) + 2) // 2)
    while _height(width) > size[0]:
        width -= 2
    return width


def _corner(centre: float, length: int, image: int) -> int:
    last = (image - length) // 2
    return 2 * min(max(round((centre - length / 2) / 2), 0), last)
