"""Lower a planned motion of tool and hand until something touches, so that tools touch their targets and nothing intersects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.solids import Solid

TOOL_CONTACT_DISTANCE = 0.0006
"""Distance in metres between points and obstacle at which lowering stops."""
LOWERING_TOLERANCE = 2e-4  # metres; lowering stops when the next step would be shorter
ACTIVE_DISTANCE = 0.02  # metres; points farther from contact than the nearest point plus this are skipped for a while
HAND_CLEARANCE = 0.010
"""Minimum distance in metres between vertices of two hands; it is larger than the skin bulges between vertices."""
SAMPLE_SPACING = 0.006
"""Maximum distance in metres between the points that are tested on an edge of a solid."""


@dataclass(frozen=True, eq=False)
class CollisionQuery:
    """Points of all frames of a motion that must stay outside an obstacle while the motion is raised or lowered as a whole.

    Attributes:
        points: (M, 3) planned positions in the frame of the obstacle.
        lift: (M, 3) displacement of the points in that frame when the motion is raised by one metre.
        distance: function from points (P, 3) to their signed distances (P,) to the obstacle, in metres.
    """

    points: FloatArray
    lift: FloatArray
    distance: Callable[[FloatArray], FloatArray]

    def distances(self, up: float, chosen: NDArray[np.bool_] | None = None) -> FloatArray:
        """Return the signed distances to the obstacle of the points (or of those ``chosen`` by a mask), with the motion raised by ``up`` metres."""
        points, lift = (self.points, self.lift) if chosen is None else (self.points[chosen], self.lift[chosen])
        return self.distance(points + up * lift)


def moving_against_still(
    points: FloatArray, poses: FloatArray, still: FloatArray, distance: Callable[[FloatArray], FloatArray]
) -> CollisionQuery:
    """Return the query whether points (P, 3) that move with ``poses`` (N, 4, 4) enter an obstacle at the fixed pose ``still`` (4, 4).

    ``distance`` returns the signed distances (M,) of points (M, 3) in the frame of the obstacle to it; the query can raise or lower the poses.
    """
    R = still[:3, :3]
    world = points @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    local = (world.reshape(-1, 3) - still[:3, 3]) @ R
    return CollisionQuery(local, np.broadcast_to(R[2], local.shape), distance)


def still_against_moving(
    points: FloatArray, still: FloatArray, poses: FloatArray, distance: Callable[[FloatArray], FloatArray]
) -> CollisionQuery:
    """Return the query whether points (P, 3) at the fixed pose ``still`` (4, 4) enter an obstacle that moves with ``poses`` (N, 4, 4).

    ``distance`` returns the signed distances (M,) of points (M, 3) in the frame of the obstacle to it; the query can raise or lower the poses.
    """
    R = poses[:, :3, :3]
    world = points @ still[:3, :3].T + still[:3, 3]
    local = (world - poses[:, None, :3, 3]) @ R
    return CollisionQuery(local.reshape(-1, 3), np.repeat(-R[:, 2], len(points), axis=0), distance)


def points_above_table(points: FloatArray, poses: FloatArray) -> CollisionQuery:
    """Return the query whether points (P, 3) that move with ``poses`` (N, 4, 4) enter the table, i.e. are below z = 0."""
    return moving_against_still(points, poses, np.eye(4), lambda p: p[:, 2])


def hand_to_hand(
    moving_skin: FloatArray, poses: FloatArray, still_skin: FloatArray, still: FloatArray
) -> CollisionQuery:
    """Return the query whether a hand that moves with ``poses`` (N, 4, 4) touches a hand at the fixed pose ``still`` (4, 4).

    Every third vertex of ``moving_skin`` (P, 3) must stay ``HAND_CLEARANCE`` from the vertices ``still_skin`` (Q, 3).
    """
    tree = cKDTree(still_skin)

    def distance(points: FloatArray) -> FloatArray:
        return np.minimum(tree.query(points, distance_upper_bound=ACTIVE_DISTANCE)[0], ACTIVE_DISTANCE) - HAND_CLEARANCE

    return moving_against_still(moving_skin[::3], poses, still, distance)


def sample_surface(solid: Solid) -> FloatArray:
    """Return points (P, 3) on a solid: its vertices, and points along edges longer than ``SAMPLE_SPACING``."""
    edges = np.unique(np.sort(solid.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1), axis=0)
    a, b = solid.vertices[edges[:, 0]], solid.vertices[edges[:, 1]]
    pieces = np.ceil(np.linalg.norm(b - a, axis=1) / SAMPLE_SPACING).astype(int)
    points = [solid.vertices]
    for count in np.unique(pieces[pieces > 1]):
        t = (np.arange(1, count) / count)[:, None, None]
        points.append(((1.0 - t) * a[pieces == count] + t * b[pieces == count]).reshape(-1, 3))
    return np.concatenate(points)


def lower_to_contact(queries: Sequence[CollisionQuery], above: float = 0.04, deepest: float = 0.15) -> float:
    """Return the height in metres by which a motion must be raised (negative: lowered) to first contact.

    The search starts at ``above``, or higher if there is a collision, and repeatedly lowers the motion by the distance that is certainly free.

    Args:
        queries: points and the obstacles that they must not enter.
        above: starting height in metres.
        deepest: maximum lowering below the plan in metres.
    """
    up = above
    gaps = [q.distances(up) for q in queries]
    while min(g.min() for g in gaps) <= TOOL_CONTACT_DISTANCE and up < 1.0:
        up += 0.04
        gaps = [q.distances(up) for q in queries]
    while up > -deepest:
        nearest = min(g.min() for g in gaps)
        if nearest - TOOL_CONTACT_DISTANCE < LOWERING_TOLERANCE:
            break
        chosen = [g < nearest + ACTIVE_DISTANCE for g in gaps]
        skipped = min(float(np.min(g, where=~c, initial=np.inf)) for g, c in zip(gaps, chosen, strict=True))
        lowest = max(up - (skipped - TOOL_CONTACT_DISTANCE), -deepest)
        up = _lower_chosen(queries, chosen, up, lowest)
        gaps = [q.distances(up) for q in queries]
    return up


def _lower_chosen(
    queries: Sequence[CollisionQuery], chosen: list[NDArray[np.bool_]], up: float, lowest: float
) -> float:
    """Return the height at which the ``chosen`` points touch when lowered from the height ``up``, but at least ``lowest``."""
    while up > lowest:
        step = (
            min(float(q.distances(up, c).min(initial=np.inf)) for q, c in zip(queries, chosen, strict=True))
            - TOOL_CONTACT_DISTANCE
        )
        if step < LOWERING_TOLERANCE:
            break
        up = max(up - step, lowest)
    return up
