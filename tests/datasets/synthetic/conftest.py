"""An independent measure of depth and contact: exact distances to triangles, signed by the winding number."""

from collections.abc import Callable

import numpy as np
import pytest


def _square_to_edge(p, a, b):
    edge = b - a
    t = np.clip(((p - a) * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30), 0.0, 1.0)
    return (((p - a) - t[..., None] * edge) ** 2).sum(-1)


def _signed_distance(points, triangles):
    p = points[:, None]
    a, b, c = triangles[:, 0], triangles[:, 1], triangles[:, 2]
    normal = np.cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1)
    normal = normal / np.maximum(length, 1e-14)[:, None]
    height = ((p - a) * normal).sum(-1)
    foot = p - height[..., None] * normal
    over = np.broadcast_to(length > 1e-14, height.shape)
    for start, end in ((a, b), (b, c), (c, a)):
        over = over & ((np.cross(normal, end - start) * (foot - start)).sum(-1) >= 0.0)
    square = np.minimum(np.minimum(_square_to_edge(p, a, b), _square_to_edge(p, b, c)), _square_to_edge(p, c, a))
    square = np.where(over, height**2, square)

    ra, rb, rc = a - p, b - p, c - p
    la, lb, lc = (np.linalg.norm(r, axis=-1) for r in (ra, rb, rc))
    top = (ra * np.cross(rb, rc)).sum(-1)
    bottom = la * lb * lc + (ra * rb).sum(-1) * lc + (rb * rc).sum(-1) * la + (rc * ra).sum(-1) * lb
    winding = (2.0 * np.arctan2(top, bottom)).sum(1) / (4.0 * np.pi)
    return np.sqrt(square.min(1)) * np.where(winding > 0.5, -1.0, 1.0)


@pytest.fixture(scope="session")
def mesh_distance() -> Callable:
    """(P,) signed distances of points (P, 3) to a closed mesh, negative inside; inf where further than ``near`` from its bounding box."""

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
    """(1552, 3) faces of a proxy hand with its open wrist closed by a fan, so that inside and outside are defined."""
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
