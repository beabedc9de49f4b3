"""Projection, frames of reference and the motion pseudo-video: one code for numpy and torch arrays."""

from hoibench.geometry.frames import crop_intrinsics, is_rigid, optical_centre, resize_intrinsics
from hoibench.geometry.projection import project, to_camera, to_world, unproject
from hoibench.geometry.pseudo_video import depth_range, quantise, render, tracking_video
from hoibench.geometry.splatting import drawn_points, rasterise, shown_points, whole_points

__all__ = [
    "crop_intrinsics",
    "depth_range",
    "drawn_points",
    "is_rigid",
    "optical_centre",
    "project",
    "quantise",
    "rasterise",
    "render",
    "resize_intrinsics",
    "shown_points",
    "to_camera",
    "to_world",
    "tracking_video",
    "unproject",
    "whole_points",
]
