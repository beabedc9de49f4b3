"""Detection of axially symmetric meshes, such as bowls: objects whose rotation about their axis changes nothing."""

from __future__ import annotations

import igl
import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from hoibench.clip import Array

_TOLERANCE = 0.05
"""Largest distance of the rotated surface to the surface, relative to the radius; that of a hexagonal rod is 0.13, of an octagonal one 0.076."""
_SAMPLES = 1000
_ROTATIONS = 8
_GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))
"""Step of the rotations; its multiples agree with no rotational symmetry of a polygon."""


def find_symmetry_axis(vertices: Array, faces: Array) -> Array | None:
    """Return the axis (3,), a unit vector, about which every rotation leaves a mesh unchanged, or None if there is none.

    The candidate is a principal axis of the surface.  It counts if eight rotations about it move none of 1000 points on the surface further from
    the surface than 5 % of the radius, so that a mug with a handle has no axis.

    Args:
        vertices: (P, 3) metres.
        faces: (F, 3) vertex indices.
    """
    centre, axis = _candidate(vertices[faces])
    centred = vertices - centre
    points, _ = trimesh.sample.sample_surface(trimesh.Trimesh(centred, faces, process=False), _SAMPLES, seed=0)
    rotations = Rotation.from_rotvec(np.outer(np.arange(1, _ROTATIONS + 1) * _GOLDEN_ANGLE, axis)).as_matrix()
    turned = (points @ rotations.mT).reshape(-1, 3)
    squared = igl.point_mesh_squared_distance(turned, centred, faces.astype(np.int64))[0]
    radius = np.linalg.norm(np.cross(centred, axis), axis=1).max()
    return axis if np.sqrt(squared.max()) <= _TOLERANCE * radius else None


def _candidate(corners: Array) -> tuple[Array, Array]:
    """Return the centroid (3,) of a surface of triangles (F, 3, 3) and, of its principal axes, the one whose moment differs most from the others'."""
    a, b, c = corners.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    centre: Array = area @ corners.mean(axis=1) / area.sum()
    p = corners - centre
    total = p.sum(axis=1)
    # The integral of x x^T over a triangle is area / 12 (sum p p^T + (sum p) (sum p)^T).
    moments = np.einsum("f,fki,fkj->ij", area, p, p) + np.einsum("f,fi,fj->ij", area, total, total)
    (low, middle, high), axes = np.linalg.eigh(moments)
    axis: Array = axes[:, 0 if middle - low > high - middle else 2]
    return centre, axis
