"""A reference for signed distances: exact distances to triangles, signed by the winding number."""

from collections.abc import Callable

import numpy as np
import pytest


def _signed_distance(points, triangles):
    """Return distances (P,) to triangles (F, 3, 3), negative inside.

    Dot products of points with vectors of the triangles keep this to a few matrix products without (P, F, 3) arrays.
    """
    corners = triangles.swapaxes(0, 1)
    edges = np.roll(corners, -1, axis=0) - corners
    normal = np.cross(edges[0], edges[1])
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(length, 1e-14)[:, None]
    squared = (points * points).sum(-1)[:, None]
    # For each corner: the point's squared distance, and its coordinates along the edge and perpendicular to it, towards the inside.
    away = [np.maximum(squared - 2.0 * points @ c.T + (c * c).sum(-1), 0.0) for c in corners]
    along = [points @ e.T - (c * e).sum(-1) for c, e in zip(corners, edges, strict=True)]
    inwards = [np.cross(normal, e) for e in edges]
    over = np.broadcast_to(length > 1e-14, away[0].shape)
    for corner, m in zip(corners, inwards, strict=True):
        over = over & (points @ m.T - (corner * m).sum(-1) >= 0.0)
    height = points @ normal.T - (corners[0] * normal).sum(-1)
    square = np.full(away[0].shape, np.inf)
    for r2, way, e in zip(away, along, edges, strict=True):
        e2 = np.maximum((e * e).sum(-1), 1e-30)
        t = np.clip(way / e2, 0.0, 1.0)
        square = np.minimum(square, r2 - 2.0 * t * way + t * t * e2)
    square = np.maximum(np.where(over, height**2, square), 0.0)

    # The winding number, by the solid angles of the triangles (Van Oosterom and Strackee).
    a, b, c = corners
    la, lb, lc = (np.sqrt(r2) for r2 in away)
    top = (a * np.cross(b, c)).sum(-1) - points @ (np.cross(a, b) + np.cross(b, c) + np.cross(c, a)).T
    ab, bc, ca = (squared - points @ (x + y).T + (x * y).sum(-1) for x, y in ((a, b), (b, c), (c, a)))
    winding = (2.0 * np.arctan2(top, la * lb * lc + ab * lc + bc * la + ca * lb)).sum(1) / (4.0 * np.pi)
    return np.sqrt(square.min(1)) * np.where(winding > 0.5, -1.0, 1.0)


@pytest.fixture(scope="session")
def mesh_distance() -> Callable:
    """Return a function for signed distances (P,) of points (P, 3) to a closed mesh; inf farther than ``near`` from its bounding box."""

    def measure(points, vertices, faces, near=np.inf):
        out = np.full(len(points), np.inf)
        gap = np.maximum(np.maximum(vertices.min(0) - points, points - vertices.max(0)), 0.0).max(1)
        chosen = np.flatnonzero(gap <= near)
        for part in np.array_split(chosen, max(1, len(chosen) // 200)):
            if len(part):
                out[part] = _signed_distance(points[part], vertices[faces])
        return out

    return measure


@pytest.fixture(scope="session")
def capped() -> Callable:
    """Return a function for the faces (1552, 3) of a proxy hand with its wrist closed by a fan, so that the inside is defined."""
    from hoibench.datasets.taco.hand import proxy_hand

    def close(side):
        faces = proxy_hand.FACES[side]
        edges = {(int(a), int(b)) for f in faces for a, b in zip(f, np.roll(f, -1), strict=True)}
        follow = {b: a for a, b in edges if (b, a) not in edges}
        ring = [next(iter(follow))]
        while follow[ring[-1]] != ring[0]:
            ring.append(follow[ring[-1]])
        fan = [(ring[0], ring[k], ring[k + 1]) for k in range(1, len(ring) - 1)]
        return np.concatenate([faces, np.array(fan)])

    return close
