"""Projection, changes of intrinsics, drawing of points, and the motion pseudo-video (point tracks rendered as a video)."""

from hoibench.geometry.projection import (
    crop_intrinsics,
    is_rigid,
    optical_centre,
    project,
    resize_intrinsics,
    to_camera,
    to_world,
    unproject,
)
from hoibench.geometry.pseudo_video import RecoveredTracks, depth_range, quantise, read_back, render
from hoibench.geometry.splatting import fully_visible_points, points_in_image, rasterise, visible_points

__all__ = [
    "RecoveredTracks",
    "crop_intrinsics",
    "depth_range",
    "fully_visible_points",
    "is_rigid",
    "optical_centre",
    "points_in_image",
    "project",
    "quantise",
    "rasterise",
    "read_back",
    "render",
    "resize_intrinsics",
    "to_camera",
    "to_world",
    "unproject",
    "visible_points",
]
