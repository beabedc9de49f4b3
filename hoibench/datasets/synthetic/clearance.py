"""Lowering a planned motion until something touches, so that tools work on their targets and nothing passes through anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hoibench.datasets.synthetic.solids import Solid

Array = NDArray[np.float64]

TOUCH = 0.0006
"""Distance, metres, at which lowering stops."""
CLOSE = 2e-4  # lowering has arrived when it is free to go on by less than this, metres
REACH = 0.02  # points further from contact than the nearest by this wait until they matter, metres
BETWEEN_HANDS = 0.010
"""Distance, metres, between the vertices of two hands; the skin between them bulges by less."""
SPACING = 0.006
"""Length, metres, that no edge of a solid may exceed without a sample on it."""


@dataclass(frozen=True, eq=False)
class Query:
    """Points that must stay out of something while a motion is raised or lowered.

    Attributes:
        points: (M, 3) where they are under the plan, in the frame of what they must stay out of.
        lift: (M, 3) how they move in that frame when the motion is raised by one metre.
        distance: signed distance of points to what they must stay out of.
    """

    points: Array
    lift: Array
    distance: Callable[[Array], Array]

    def at(self, up: float, chosen: NDArray[np.bool_] | None = None) -> Array:
        """Distances of the points, or of the ``chosen`` ones, with the motion raised by ``up`` metres."""
        points, lift = (self.points, self.lift) if chosen is None else (self.points[chosen], self.lift[chosen])
        return self.distance(points + up * lift)


def moving_points(points: Array, poses: Array, still: Array, distance: Callable[[Array], Array]) -> Query:
    """Points (P, 3) carried by ``poses`` (N, 4, 4) against a thing that stays at the pose ``still`` (4, 4)."""
    R = still[:3, :3]
    world = points @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    local = (world.reshape(-1, 3) - still[:3, 3]) @ R
    return Query(local, np.broadcast_to(R[2], local.shape), distance)


def still_points(points: Array, still: Array, poses: Array, distance: Callable[[Array], Array]) -> Query:
    """Points (P, 3) that stay at the pose ``still`` against a thing carried by ``poses``."""
    R = poses[:, :3, :3]
    world = points @ still[:3, :3].T + still[:3, 3]
    local = (world - poses[:, None, :3, 3]) @ R
    return Query(local.reshape(-1, 3), np.repeat(-R[:, 2], len(points), axis=0), distance)


def over_table(points: Array, poses: Array) -> Query:
    """Points (P, 3) carried by ``poses`` against the table, z = 0."""
    return moving_points(points, poses, np.eye(4), lambda p: p[:, 2])


def hands_apart(moving_skin: Array, poses: Array, still_skin: Array, still: Array) -> Query:
    """The skin (P, 3) of a hand carried by ``poses`` against that of a hand (Q, 3) that stays at ``still``; they keep some millimetres apart."""
    tree = cKDTree(still_skin)

    def distance(points: Array) -> Array:
        return np.minimum(tree.query(points, distance_upper_bound=REACH)[0], REACH) - BETWEEN_HANDS

    return moving_points(moving_skin[::3], poses, still, distance)


def samples(solid: Solid) -> Array:
    """(P, 3) the solid's vertices, and points along its long edges."""
    edges = np.unique(np.sort(solid.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    a, b = solid.vertices[edges[:, 0]], solid.vertices[edges[:, 1]]
    pieces = np.ceil(np.linalg.norm(b - a, axis=1) / SPACING).astype(int)
    points = [solid.vertices]
    for count in np.unique(pieces[pieces > 1]):
        t = (np.arange(1, count) / count)[:, None, None]
        points.append(((1.0 - t) * a[pieces == count] + t * b[pieces == count]).reshape(-1, 3))
    return np.concatenate(points)


def lower(queries: Sequence[Query], above: float = 0.04, deepest: float = 0.15) -> float:
    """How far a motion is to be raised (negative: lowered) so that it just touches, metres.

    It starts ``above`` the plan, higher where that is not free, and sinks by the distance that is surely free, again and again.

    Args:
        queries: what has to stay out of what.
        above: height to start from, metres.
        deepest: never go lower than this under the plan, metres.
    """
    up = above
    gaps = [q.at(up) for q in queries]
    while min(g.min() for g in gaps) <= TOUCH and up < 1.0:
        up += 0.04
        gaps = [q.at(up) for q in queries]
    while up > -deepest:
        nearest = min(g.min() for g in gaps)
        if nearest - TOUCH < CLOSE:
            break
        chosen = [g < nearest + REACH for g in gaps]
        waiting = min(float(np.min(g, where=~c, initial=np.inf)) for g, c in zip(gaps, chosen, strict=True))
        lowest = max(up - (waiting - TOUCH), -deepest)
        up = _sink(queries, chosen, up, lowest)
        gaps = [q.at(up) for q in queries]
    return up


def _sink(queries: Sequence[Query], chosen: list[NDArray[np.bool_]], up: float, lowest: float) -> float:
    """Lower to contact of the ``chosen`` points, or to ``lowest``."""
    while up > lowest:
        step = min(float(q.at(up, c).min(initial=np.inf)) for q, c in zip(queries, chosen, strict=True)) - TOUCH
        if step < CLOSE:
            break
        up = max(up - step, lowest)
    return up
