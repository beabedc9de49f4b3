"""Decimation of triangle meshes to a measured error."""

from __future__ import annotations

from dataclasses import dataclass

import igl
import numpy as np
import trimesh

from hoibench.clip import Array

_FEWEST_FACES = 1000
"""Smaller meshes are not decimated; larger ones to this number of faces, or to 2, 4, 8 ... times as many."""
_SAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class DecimatedMesh:
    """A mesh with fewer faces: vertices (M, 3) float64, faces (F, 3) int32, and its measured distance ``error`` to the original, in metres."""

    vertices: Array
    faces: Array
    error: float


def decimate(vertices: Array, faces: Array, max_error: float) -> DecimatedMesh:
    """Return a mesh with as few faces as ``max_error`` allows, by collapsing edges in order of their quadric error (libigl's ``qslim``).

    A closed mesh remains closed.  A mesh with more than two faces at an edge is returned as it is, since ``qslim`` needs a manifold.

    Args:
        vertices: (P, 3) metres.
        faces: (Q, 3) vertex indices.
        max_error: the largest allowed ``hausdorff_distance`` to the original, in metres.
    """
    vertices, faces = _without_loose_vertices(vertices.astype(np.float64), faces)
    if igl.is_edge_manifold(faces.astype(np.int64))[0]:
        count = _FEWEST_FACES
        while count < len(faces):
            fewer, triangles, _, _ = igl.qslim(np.asfortranarray(vertices), np.asfortranarray(faces), count)
            # Without faces, it could not collapse enough edges, e.g. of a mesh with many holes.
            error = hausdorff_distance((vertices, faces), (fewer, triangles)) if len(triangles) else np.inf
            if error <= max_error:
                return DecimatedMesh(
                    np.ascontiguousarray(fewer), np.ascontiguousarray(triangles, dtype=np.int32), error
                )
            count *= 2
    return DecimatedMesh(vertices, faces, 0.0)


def hausdorff_distance(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
    """Return the largest distance of a point on either mesh, (vertices, faces), to the other: over all vertices and 10,000 points drawn from each.

    The distances of any point to the two surfaces differ by at most this much.
    """
    return max(_one_sided_distance(first, second), _one_sided_distance(second, first))


def _one_sided_distance(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
    drawn, _ = trimesh.sample.sample_surface(trimesh.Trimesh(*first, process=False), _SAMPLES, seed=0)
    points = np.concatenate([first[0], drawn])
    squared = igl.point_mesh_squared_distance(points, np.ascontiguousarray(second[0]), second[1].astype(np.int64))[0]
    return float(np.sqrt(squared.max()))


def _without_loose_vertices(vertices: Array, faces: Array) -> tuple[Array, Array]:
    used, renumbered = np.unique(faces, return_inverse=True)
    return vertices[used], renumbered.reshape(faces.shape).astype(np.int32)
