"""Rigid objects of a recording: the shapes and poses of its tool and target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.axial_symmetry import find_symmetry_axis
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.tracks import nearest_recorded
from hoibench.rigid_object import RigidObject


def build_objects(surfaces: Sequence[Surface]) -> tuple[RigidObject, ...]:
    """Return the rigid surfaces as ``RigidObject``s; one without a recorded pose in any frame is left out."""
    return tuple(
        _build_object(surface.part, surface.rest, surface.faces, surface.poses[nearest_recorded(surface.recorded)])
        for surface in surfaces
        if surface.rest is not None and surface.poses is not None and surface.recorded.any()
    )


def _build_object(part: int, vertices: Array, faces: Array, poses: Array) -> RigidObject:
    """Return the object of a mesh, (P, 3) vertices and (F, 3) faces, with object-to-world poses (N, 4, 4)."""
    axis = find_symmetry_axis(vertices, faces)
    return RigidObject(part, vertices.astype(np.float64), faces, poses[:, :3, :3], poses[:, :3, 3], axis)
