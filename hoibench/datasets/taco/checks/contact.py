"""Distances of points, such as the skin of hands, from an object over some frames of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import igl
import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.objects import place_vertices, to_object
from hoibench.datasets.taco.recording import Recording

REACH = (0.1, 0.4)
"""Metres: hands come nearer than this to the tool and to the target, even if a proxy replaces them; a target may stand by itself."""
_EVERY = 2
"""Every second vertex of a hand is measured, which saves half of the time; they are a few millimetres apart."""
_INSIDE = 0.5
"""Winding number above which a point is inside of a mesh."""
_LEAST_MOVING = 4
_APART = 3
"""Frames before and after a frame between which an object's motion is measured: a fifth of a second."""
_MOVING = 0.02
"""Metres by which an object moves in that time in a frame in which it counts as moving."""


@dataclass(frozen=True, eq=False)
class Contact:
    """Distances of hands from an object in F frames; NaN in frames in which the object or both hands were not recorded.

    Attributes:
        gap: (F,) metres from the nearest point of a hand to the object's surface; 0 if one is inside.
        depth: (F,) metres from the surface to the point of a hand that is deepest inside; 0 if none is inside.
        moving: (F,) bool, true in frames in which the object moves by over 10 cm per second.
    """

    gap: Array
    depth: Array
    moving: Array

    @property
    def held_gap(self) -> float:
        """The median of ``gap`` in metres in the frames in which the object moves; NaN if these are too few to tell."""
        gaps = self.gap[self.moving & np.isfinite(self.gap)]
        return median(gaps) if len(gaps) >= _LEAST_MOVING else float("nan")

    def fits(self, tolerance: float) -> bool:
        """Return True if in the median frame, a hand is known to touch the moving object and none to be inside, within ``tolerance`` metres."""
        return median(self.depth) <= tolerance and self.held_gap <= tolerance

    def is_wrong(self, tolerance: float) -> bool:
        """Return True if in the median frame, a hand is known to be inside, or none to touch it while it moves, by over ``tolerance`` metres."""
        return median(self.depth) > tolerance or self.held_gap > tolerance

    def is_beyond(self, reach: float) -> bool:
        """Return True if no hand is within ``reach`` metres of the object in any frame in which both were recorded."""
        gaps = self.gap[np.isfinite(self.gap)]
        return len(gaps) > 0 and bool((gaps > reach).all())


def measure_contacts(recording: Recording, frames: Sequence[int], poses: Sequence[Array]) -> tuple[Contact, ...]:
    """Return the contact of both hands with tool and target in the frames with these numbers, with the objects at ``poses``, each (N, 4, 4)."""
    chosen = list(frames)
    hands = [replace(hand, theta=hand.theta[chosen], trans=hand.trans[chosen]) for hand in recording.hands]
    skin = np.concatenate([recording.hand_model.surface(hand)[0][:, ::_EVERY] for hand in hands], axis=1)
    contacts = []
    for mesh, of_object in zip(recording.meshes, poses, strict=True):
        distance = signed_distances(skin, *mesh, of_object[chosen])
        nearest = np.min(distance, axis=1, initial=np.inf, where=np.isfinite(distance))
        nearest[np.isinf(nearest)] = np.nan
        contacts.append(
            Contact(np.maximum(nearest, 0.0), np.maximum(-nearest, 0.0), _moving(mesh[0], of_object)[chosen])
        )
    return tuple(contacts)


def signed_distances(points: Array, vertices: Array, faces: Array, poses: Array) -> Array:
    """Return the distances in metres of world points (F, P, 3) from a mesh at poses (F, 4, 4), (F, P), negative inside; NaN where either is NaN.

    Inside is decided by libigl's fast winding number (Barill et al. 2018), so that small holes in a mesh do not matter.
    """
    local = to_object(points, poses).reshape(-1, 3)
    recorded = np.isfinite(local).all(axis=1)
    found = np.ascontiguousarray(local[recorded])
    distance = np.full(len(local), np.nan)
    if len(found):
        corners, triangles = np.ascontiguousarray(vertices), np.ascontiguousarray(faces, dtype=np.int64)
        tree = igl.AABB()
        tree.init(corners, triangles)
        unsigned = np.sqrt(tree.squared_distance(corners, triangles, found)[0])
        boxed = ((found >= corners.min(axis=0)) & (found <= corners.max(axis=0))).all(axis=1)
        if boxed.any():
            winding = igl.fast_winding_number(corners, triangles, found[boxed])
            unsigned[boxed] *= np.where(winding > _INSIDE, -1.0, 1.0)
        distance[recorded] = unsigned
    return distance.reshape(points.shape[:2])


def travel(vertices: Array, poses: Array, step: int) -> Array:
    """Return the mean distances in metres that the corners of an object's box move in each ``step`` recorded poses of (N, 4, 4)."""
    recorded = np.flatnonzero(np.isfinite(poses[:, 0, 0]))[::step]
    placed = place_vertices(_box(vertices), poses[recorded])
    moved: Array = np.linalg.norm(np.diff(placed, axis=0), axis=2).mean(axis=1)
    return moved


def _moving(vertices: Array, poses: Array) -> Array:
    """Return the frames (N,) bool in which an object moves; false where this is unknown."""
    placed = place_vertices(_box(vertices), poses)
    moving = np.zeros(len(poses), dtype=bool)
    moved = np.linalg.norm(placed[2 * _APART :] - placed[: -2 * _APART], axis=2).mean(axis=1)
    moving[_APART : len(poses) - _APART] = moved > _MOVING
    return moving


def _box(vertices: Array) -> Array:
    """Return the corners (8, 3) of the box around vertices (P, 3)."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    at_high = np.array(np.meshgrid([0, 1], [0, 1], [0, 1])).reshape(3, -1).T
    corners: Array = np.where(at_high, high, low)
    return corners


def median(values: Array) -> float:
    """Return the median of the values that are not NaN; NaN if all are."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if len(finite) else float("nan")
