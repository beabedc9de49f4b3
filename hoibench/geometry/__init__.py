"""Projection and frames of reference: one code for numpy and torch arrays."""

from hoibench.geometry.frames import crop_intrinsics, is_rigid, optical_centre, resize_intrinsics
from hoibench.geometry.projection import project, to_camera, to_world, unproject

__all__ = [
    "crop_intrinsics",
    "is_rigid",
    "optical_centre",
    "project",
    "resize_intrinsics",
    "to_camera",
    "to_world",
    "unproject",
]
