"""Lowering a planned motion until something touches, so that tools work on their targets and nothing passes through anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hoibench.datasets.synthetic.solids import Solid

Array = NDArray[np.float64]
Distance = Callable[[Array], Array]

TOUCH = 0.0006
"""Distance, metres, at which lowering stops."""
SPACING = 0.006
"""Length, metres, that no edge of a solid may exceed without a sample on it."""


@dataclass(frozen=True, eq=False)
class Body:
    """A rigid thing at its poses: sample points (P, 3) and signed distance in its own frame, ``rotation`` (N, 3, 3), ``shift`` (N, 3)."""

    samples: Array
    distance: Distance | None
    rotation: Array
    shift: Array

    def at(self, up: float) -> Array:
        """(N, P, 3) samples in the world, ``up`` metres higher."""
        return np.asarray(self.samples @ self.rotation.swapaxes(1, 2) + self.shift[:, None] + [0.0, 0.0, up])

    def gap(self, points: Array, up: float) -> float:
        """Smallest distance of world points (N, P, 3) to the thing raised by ``up``."""
        if self.distance is None:
            return np.inf
        local = (points - self.shift[:, None] - [0.0, 0.0, up]) @ self.rotation
        return float(self.distance(local.reshape(-1, 3)).min())


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


def lower(moving: Sequence[Body], still: Sequence[Body], above: float = 0.05, deepest: float = 0.15) -> float:
    """How far the ``moving`` bodies can be raised or lowered together, metres (up positive), until they first touch.

    They start ``above`` their plan, higher where that is not free, and sink by the distance that is surely free, again and again.

    Args:
        moving: bodies that keep their places relative to each other.
        still: bodies that stay; the table, z = 0, is one of them without saying.
        above: height to start from, metres.
        deepest: never go lower than this under the plan, metres.
    """
    up = above
    while _free(moving, still, up) <= TOUCH and up < 1.0:
        up += 0.05
    for _ in range(60):
        step = _free(moving, still, up) - TOUCH
        if step < 2e-4 or up < -deepest:
            break
        up -= step
    return up


def _free(moving: Sequence[Body], still: Sequence[Body], up: float) -> float:
    """The smallest distance between the two groups, the first raised by ``up``."""
    best = np.inf
    resting = [body.at(0.0) for body in still]
    for body in moving:
        points = body.at(up)
        best = min(best, float(points[..., 2].min()))
        for other, other_points in zip(still, resting, strict=True):
            best = min(best, other.gap(points, 0.0), body.gap(other_points, up))
    return best
