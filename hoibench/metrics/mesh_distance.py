"""Distances from points to triangle meshes, unsigned or negative inside."""

from __future__ import annotations

import igl
import numpy as np

from hoibench.clip import Array, check_shape

INSIDE = 0.5
"""Winding number above which a point is inside: 0 outside a watertight mesh, 1 inside, 2 where two closed meshes overlap."""


def distance_to_mesh(points: Array, vertices: Array, faces: Array, limit: float | Array = np.inf) -> Array:
    """Return the distance of each point from the nearest triangle, (P,) float64 in metres; infinity where over ``limit``.

    Args:
        points: (P, 3) metres.
        vertices: (M, 3) metres.
        faces: (F, 3) vertex indices, at least one triangle.
        limit: metres, one for all points or (P,); points that are surely farther are not compared with triangles.

    Raises:
        ValueError: a shape is wrong, or the mesh has no triangle.

    Source: the tree of bounding boxes of libigl (libigl/libigl:include/igl/AABB.h), exact.

    >>> vertices, faces = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), np.array([[0, 1, 2]])
    >>> distance_to_mesh(np.array([[0.2, 0.2, -0.5], [4.0, 0, 0]]), vertices, faces, limit=1.0).tolist()
    [0.5, inf]
    """
    points, vertices, faces = _check(points, vertices, faces)
    distance = _distance(points, vertices, faces, _gap(points, vertices) <= limit)
    distance[distance > limit] = np.inf
    return distance


def signed_distance_to_mesh(points: Array, vertices: Array, faces: Array, limit: float | Array = np.inf) -> Array:
    """Return the distance of each point from the nearest triangle, (P,) float64 in metres, negative inside; infinity where over ``limit``.

    The mesh must be watertight, with outward normals; it may consist of several closed meshes that overlap.  Inside, the distance is that from the
    nearest triangle all the same, even from one that lies within another closed mesh.

    Arguments and errors as ``distance_to_mesh``.

    Source: inside by the winding number, which is right for overlapping meshes too, where the sign of the nearest normal is wrong; libigl's fast
        one (Barill et al. 2018, https://doi.org/10.1145/3197517.3201337), which is exact for near triangles and an expansion of second order for
        groups of distant ones.

    >>> vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    >>> faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> signed_distance_to_mesh(np.array([[0.1, 0.2, 0.3], [0.1, 0.2, -0.3]]), vertices, faces).round(6).tolist()
    [-0.1, 0.3]
    """
    points, vertices, faces = _check(points, vertices, faces)
    gap = _gap(points, vertices)
    distance, in_box = _distance(points, vertices, faces, gap <= limit), gap == 0
    if in_box.any():
        winding = igl.fast_winding_number(vertices, faces, points[in_box])
        distance[in_box] *= np.where(winding > INSIDE, -1.0, 1.0)
    distance[distance > limit] = np.inf
    return distance


def _check(points: Array, vertices: Array, faces: Array) -> tuple[Array, Array, Array]:
    check_shape("points", points, ("P", 3))
    check_shape("vertices", vertices, ("M", 3))
    check_shape("faces", faces, ("F", 3))
    if not len(faces):
        raise ValueError("faces is empty: a mesh without triangles has no distance")
    return (
        np.ascontiguousarray(points, dtype=np.float64),
        np.ascontiguousarray(vertices, dtype=np.float64),
        np.ascontiguousarray(faces, dtype=np.int64),
    )


def _gap(points: Array, vertices: Array) -> Array:
    """Return the distance of each point from the bounding box of the vertices, (P,), 0 inside it: a lower bound of that from the mesh."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    gap: Array = np.linalg.norm(np.maximum(np.maximum(low - points, points - high), 0.0), axis=-1)
    return gap


def _distance(points: Array, vertices: Array, faces: Array, near: Array) -> Array:
    """Return the distance of each point that is ``near`` from the nearest triangle, (P,); infinity for the others."""
    distance = np.full(len(points), np.inf)
    if near.any():
        tree = igl.AABB()
        tree.init(vertices, faces)
        distance[near] = np.sqrt(tree.squared_distance(vertices, faces, points[near])[0])
    return distance
