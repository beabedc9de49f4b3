"""Projection, frames of reference and the motion pseudo-video: one code for numpy and torch arrays."""

from hoibench.geometry.frames import crop_intrinsics, is_rigid, optical_centre, resize_intrinsics
from hoibench.geometry.projection import project, to_camera, to_world, unproject
from hoibench.geometry.pseudo_video import Reading, depth_range, quantise, read_back, render
from hoibench.geometry.splatting import drawn_points, rasterise, shown_points, whole_points

__all__ = [
    "Reading",
    "crop_intrinsics",
    "depth_range",
    "drawn_points",
    "is_rigid",
    "optical_centre",
    "project",
    "quantise",
    "rasterise",
    "read_back",
    "render",
    "resize_intrinsics",
    "shown_points",
    "to_camera",
    "to_world",
    "unproject",
    "whole_points",
]
