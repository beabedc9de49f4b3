"""Parametric solids: a triangle mesh for rendering, and a signed distance for grasps and collisions.

Each primitive builds both from one profile, so they agree up to the faceting of the mesh.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray

Faces = NDArray[np.int32]


NEAR = 0.01
"""Distance in metres from the bounding box of a primitive; ``Solid.distance`` is a cheap lower bound for points farther away."""


@dataclass(frozen=True, eq=False)
class Solid:
    """A watertight mesh and its signed distance function.

    Attributes:
        vertices: (P, 3) metres.
        faces: (F, 3) vertex indices of triangles with outward normals.
        distance: function from points (M, 3) to signed distances (M,) in metres, negative inside; a lower bound far from the solid, see ``NEAR``.
    """

    vertices: FloatArray
    faces: Faces
    distance: Callable[[FloatArray], FloatArray]


def lathe(profile: FloatArray, segments: int = 32) -> Solid:
    """Build a solid of revolution about z.

    Args:
        profile: (M, 2) radius and height in metres, counter-clockwise in the (r, z) plane, from axis to axis.
        segments: number of facets around the axis.
    """
    profile = np.asarray(profile, dtype=np.float64)
    angle = 2.0 * np.pi * np.arange(segments) / segments
    r, z = profile[1:-1, 0], profile[1:-1, 1]
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    side = np.concatenate([r[:, None, None] * ring, np.broadcast_to(z[:, None, None], (len(z), segments, 1))], axis=2)
    vertices = np.concatenate([side.reshape(-1, 3), [[0.0, 0.0, profile[0, 1]], [0.0, 0.0, profile[-1, 1]]]])
    grid = np.arange(len(r) * segments).reshape(len(r), segments)
    start, end = len(vertices) - 2, len(vertices) - 1
    faces = np.concatenate([_strip(grid), _fan(start, grid[0][::-1]), _fan(end, grid[-1])])

    def distance(points: FloatArray) -> FloatArray:
        flat = np.stack([np.hypot(points[:, 0], points[:, 1]), points[:, 2]], axis=1)
        return polygon_distance(flat, profile, edges=len(profile) - 1)

    return _bounded(vertices, faces, distance)


def prism(outline: FloatArray, low: float, high: float) -> Solid:
    """Build an upright prism between the heights ``low`` and ``high``, in metres.

    Its ``outline`` (M, 2) is counter-clockwise and star-shaped about its mean.
    """
    outline = np.asarray(outline, dtype=np.float64)
    count = len(outline)
    levels = [np.column_stack([outline, np.full(count, z)]) for z in (low, high)]
    mean = outline.mean(axis=0)
    vertices = np.concatenate([*levels, [[*mean, low], [*mean, high]]])
    grid = np.arange(2 * count).reshape(2, count)
    faces = np.concatenate([_strip(grid), _fan(2 * count, grid[0][::-1]), _fan(2 * count + 1, grid[1])])

    def distance(points: FloatArray) -> FloatArray:
        flat = polygon_distance(points[:, :2], outline, edges=count)
        level = np.abs(points[:, 2] - (low + high) / 2.0) - (high - low) / 2.0
        outside = np.hypot(np.maximum(flat, 0.0), np.maximum(level, 0.0))
        return np.asarray(outside + np.minimum(np.maximum(flat, level), 0.0))

    return _bounded(vertices, faces, distance)


def tube(
    path: FloatArray, radii: FloatArray, up: tuple[float, float, float] = (0.0, 0.0, 1.0), segments: int = 12
) -> Solid:
    """Build a tube with elliptical sections along a polyline and flat ends.

    Args:
        path: (K, 3) metres.
        radii: (K, 2) half width and half height of each section, or (2,) for all sections.
        up: direction of the half height, not parallel to the path.
        segments: number of facets around the path.
    """
    path = np.asarray(path, dtype=np.float64)
    radii = np.broadcast_to(np.asarray(radii, dtype=np.float64), (len(path), 2))
    tangent = np.gradient(path, axis=0)
    side, high = _section_axes(tangent, np.asarray(up))
    angle = 2.0 * np.pi * np.arange(segments) / segments
    circle = (radii[:, :1] * np.cos(angle))[..., None] * side[:, None] + (radii[:, 1:] * np.sin(angle))[
        ..., None
    ] * high[:, None]
    vertices = np.concatenate([(path[:, None] + circle).reshape(-1, 3), path[[0, -1]]])
    grid = np.arange(len(path) * segments).reshape(len(path), segments)
    start, end = len(vertices) - 2, len(vertices) - 1
    faces = np.concatenate([_strip(grid), _fan(start, grid[0][::-1]), _fan(end, grid[-1])])
    return _bounded(vertices, faces, lambda points: _tube_distance(points, path, radii, np.asarray(up)))


def transform(solid: Solid, rotation: FloatArray, shift: tuple[float, float, float] | FloatArray) -> Solid:
    """Return a solid rotated by ``rotation`` (3, 3), then moved by ``shift`` (3,) metres."""
    t = np.asarray(shift, dtype=np.float64)
    return Solid(solid.vertices @ rotation.T + t, solid.faces, lambda points: solid.distance((points - t) @ rotation))


def union(*solids: Solid) -> Solid:
    """Return the union of solids as one solid; meshes that overlap keep their inner triangles."""
    first = np.cumsum([0, *(len(s.vertices) for s in solids)])
    faces = np.concatenate([s.faces + np.int32(k) for s, k in zip(solids, first, strict=False)])
    parts = tuple(s.distance for s in solids)
    return Solid(
        np.concatenate([s.vertices for s in solids]),
        faces.astype(np.int32),
        lambda points: np.min([part(points) for part in parts], axis=0),
    )


def polygon_distance(points: FloatArray, polygon: FloatArray, edges: int) -> FloatArray:
    """Return the signed distances (P,) of points from a polygon in the plane, negative inside.

    Args:
        points: (P, 2).
        polygon: (M, 2) corners of a closed outline.
        edges: number of edges to which distance is measured: M, or M - 1 to ignore the closing edge, e.g. an axis of revolution.
    """
    x, y = np.ascontiguousarray(points.T)
    nearest = np.full(len(points), np.inf)
    inside = np.zeros(len(points), dtype=bool)
    # Iterating over edges keeps arrays small, which is several times faster than all edges at once.
    for k, ((ax, ay), (bx, by)) in enumerate(zip(polygon, np.roll(polygon, -1, axis=0), strict=True)):
        ex, ey = bx - ax, by - ay
        ox, oy = x - ax, y - ay
        if k < edges:
            along = np.clip((ox * ex + oy * ey) / (ex * ex + ey * ey), 0.0, 1.0)
            nearest = np.minimum(nearest, (ox - along * ex) ** 2 + (oy - along * ey) ** 2)
        if ay != by:
            inside ^= ((ay <= y) != (by <= y)) & (ox < oy * (ex / ey))
    return np.asarray(np.where(inside, -1.0, 1.0) * np.sqrt(nearest))


def rounded_rectangle(length: float, width: float, radius: float, corner: int = 4) -> FloatArray:
    """Return the counter-clockwise outline (4 * corner, 2) of a centred rectangle, each corner rounded by an arc of ``corner`` points."""
    turn = np.linspace(0.0, np.pi / 2.0, corner)
    arc = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    out = []
    for k, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
        c, s = np.cos(k * np.pi / 2.0), np.sin(k * np.pi / 2.0)
        centre = np.array([sx * (length / 2.0 - radius), sy * (width / 2.0 - radius)])
        out.append(centre + arc @ np.array([[c, s], [-s, c]]))
    return np.concatenate(out)


def _bounded(vertices: FloatArray, faces: Faces, distance: Callable[[FloatArray], FloatArray]) -> Solid:
    """Build a solid; for points farther than ``NEAR`` from its bounding box, the distance to the box replaces the exact ``distance``."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)

    def bounded(points: FloatArray) -> FloatArray:
        square = np.zeros(len(points))
        for axis in range(3):
            square += np.maximum(np.maximum(low[axis] - points[:, axis], points[:, axis] - high[axis]), 0.0) ** 2
        gap = np.sqrt(square)
        near = gap < NEAR
        gap[near] = distance(points[near])
        return gap

    return Solid(vertices, faces, bounded)


def _section_axes(tangent: FloatArray, up: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the unit width and height axes, each (K, 3), of a tube's sections perpendicular to ``tangent`` (K, 3)."""
    along = tangent / np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(up, along)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    return side, np.cross(along, side)


def _tube_distance(points: FloatArray, path: FloatArray, radii: FloatArray, up: FloatArray) -> FloatArray:
    """Return the signed distances (P,) of points (P, 3) to the nearest straight piece of a tube; correct to first order near the surface.

    ``path``, ``radii`` and ``up`` are those of ``tube``.
    """
    best = np.full(len(points), np.inf)
    axis = np.diff(path, axis=0)
    side, high = _section_axes(axis, up)
    for k, vector in enumerate(axis):
        length = float(np.linalg.norm(vector))
        offset = points - path[k]
        along = offset @ (vector / length)
        t = np.clip(along / length, 0.0, 1.0)[:, None]
        radius = np.maximum((1.0 - t) * radii[k] + t * radii[k + 1], 1e-6)
        across = np.stack([offset @ side[k], offset @ high[k]], axis=1)
        scaled = np.linalg.norm(across / radius, axis=1)
        slope = np.maximum(np.linalg.norm(across / radius**2, axis=1), 1e-9)
        round_part = np.where(scaled < 1e-3, -radius.min(axis=1), scaled * (scaled - 1.0) / slope)
        beyond = np.maximum(-along, along - length)
        outside = np.hypot(np.maximum(round_part, 0.0), np.maximum(beyond, 0.0))
        best = np.minimum(best, np.where(beyond > 0.0, outside, round_part))
    return best


def _strip(grid: NDArray[np.int64]) -> Faces:
    """Return triangles (F, 3) between consecutive rings of vertices; ``grid`` (K, S) has the vertex indices of K rings, counter-clockwise."""
    a, d = grid[:-1], grid[1:]
    b, c = np.roll(a, -1, axis=1), np.roll(d, -1, axis=1)
    return np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3).astype(np.int32)


def _fan(centre: int, ring: NDArray[np.int64]) -> Faces:
    """Return triangles (S, 3) between the vertex index ``centre`` and a counter-clockwise ring of vertex indices (S,)."""
    return np.stack([np.full(len(ring), centre), ring, np.roll(ring, -1)], axis=-1).astype(np.int32)
