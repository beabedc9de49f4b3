"""Lowering a planned motion until something touches, so that tools work on their targets and nothing passes through anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hoibench.datasets.synthetic.solids import Solid

Array = NDArray[np.float64]

CONTACT_DISTANCE = 0.0006
"""Distance, metres, at which lowering stops."""
LOWERING_TOLERANCE = 2e-4  # lowering has arrived when it is free to go on by less than this, metres
ACTIVE_DISTANCE = 0.02  # points further from contact than the nearest by this wait until they matter, metres
HAND_CLEARANCE = 0.010
"""Distance, metres, between the vertices of two hands; the skin between them bulges by less."""
SAMPLE_SPACING = 0.006
"""Length, metres, that no edge of a solid may exceed without a sample on it."""


@dataclass(frozen=True, eq=False)
class CollisionQuery:
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


def moving_against_still(
    points: Array, poses: Array, still: Array, distance: Callable[[Array], Array]
) -> CollisionQuery:
    """Points (P, 3) carried by ``poses`` (N, 4, 4) against a thing that stays at the pose ``still`` (4, 4)."""
    R = still[:3, :3]
    world = points @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    local = (world.reshape(-1, 3) - still[:3, 3]) @ R
    return CollisionQuery(local, np.broadcast_to(R[2], local.shape), distance)


def still_against_moving(
    points: Array, still: Array, poses: Array, distance: Callable[[Array], Array]
) -> CollisionQuery:
    """Points (P, 3) that stay at the pose ``still`` against a thing carried by ``poses``."""
    R = poses[:, :3, :3]
    world = points @ still[:3, :3].T + still[:3, 3]
    local = (world - poses[:, None, :3, 3]) @ R
    return CollisionQuery(local.reshape(-1, 3), np.repeat(-R[:, 2], len(points), axis=0), distance)


def points_above_table(points: Array, poses: Array) -> CollisionQuery:
    """Points (P, 3) carried by ``poses`` against the table, z = 0."""
    return moving_against_still(points, poses, np.eye(4), lambda p: p[:, 2])


def hand_to_hand(moving_skin: Array, poses: Array, still_skin: Array, still: Array) -> CollisionQuery:
    """The skin (P, 3) of a hand carried by ``poses`` against that of a hand (Q, 3) that stays at ``still``; they keep some millimetres apart."""
    tree = cKDTree(still_skin)

    def distance(points: Array) -> Array:
        return np.minimum(tree.query(points, distance_upper_bound=ACTIVE_DISTANCE)[0], ACTIVE_DISTANCE) - HAND_CLEARANCE

    return moving_against_still(moving_skin[::3], poses, still, distance)


def sample_surface(solid: Solid) -> Array:
    """(P, 3) the solid's vertices, and points along its long edges."""
    edges = np.unique(np.sort(solid.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    a, b = solid.vertices[edges[:, 0]], solid.vertices[edges[:, 1]]
    pieces = np.ceil(np.linalg.norm(b - a, axis=1) / SAMPLE_SPACING).astype(int)
    points = [solid.vertices]
    for count in np.unique(pieces[pieces > 1]):
        t = (np.arange(1, count) / count)[:, None, None]
        points.append(((1.0 - t) * a[pieces == count] + t * b[pieces == count]).reshape(-1, 3))
    return np.concatenate(points)


def lower_to_contact(queries: Sequence[CollisionQuery], above: float = 0.04, deepest: float = 0.15) -> float:
    """How far a motion is to be raised (negative: lowered) so that it just touches, metres.

    It starts ``above`` the plan, higher where that is not free, and sinks by the distance that is surely free, again and again.

    Args:
        queries: what has to stay out of what.
        above: height to start from, metres.
        deepest: never go lower than this under the plan, metres.
    """
    up = above
    gaps = [q.at(up) for q in queries]
    while min(g.min() for g in gaps) <= CONTACT_DISTANCE and up < 1.0:
        up += 0.04
        gaps = [q.at(up) for q in queries]
    while up > -deepest:
        nearest = min(g.min() for g in gaps)
        if nearest - CONTACT_DISTANCE < LOWERING_TOLERANCE:
            break
        chosen = [g < nearest + ACTIVE_DISTANCE for g in gaps]
        waiting = min(float(np.min(g, where=~c, initial=np.inf)) for g, c in zip(gaps, chosen, strict=True))
        lowest = max(up - (waiting - CONTACT_DISTANCE), -deepest)
        up = _sink(queries, chosen, up, lowest)
        gaps = [q.at(up) for q in queries]
    return up


def _sink(queries: Sequence[CollisionQuery], chosen: list[NDArray[np.bool_]], up: float, lowest: float) -> float:
    """Lower to contact of the ``chosen`` points, or to ``lowest``."""
    while up > lowest:
        step = (
            min(float(q.at(up, c).min(initial=np.inf)) for q, c in zip(queries, chosen, strict=True)) - CONTACT_DISTANCE
        )
        if step < LOWERING_TOLERANCE:
            break
        up = max(up - step, lowest)
    return up
