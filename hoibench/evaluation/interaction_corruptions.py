"""Corruptions of hands and objects: known errors put into true points, in the world; the first frame remains true.

Arguments: world (N, K, 3) true points in metres, z up; part (K,) index into ``PARTS``.  Each function returns changed points (N, K, 3).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from hoibench.clip import PARTS, Array
from hoibench.rigid_object import OBJECT_PARTS

SHIFT = 0.01
"""Metres that the tool is moved."""
TURN = 10.0
"""Degrees that it is turned."""
PULL, PUSH = 0.02, 0.01
"""Metres that the left hand is moved away from the target, and towards it."""
COLLAPSE = 0.1
"""Factor of the tool's size."""
MELT = 0.02
"""Metres that each point of an object has drifted in the last frame."""
_LEFT_HAND, _TOOL, _TARGET = (PARTS.index(name) for name in ("left hand", "tool", "target"))


def move_tool(world: Array, part: Array) -> Array:
    """Turn the tool by ``TURN`` degrees about a horizontal axis through its points' centroid, and lift it by ``SHIFT`` metres."""
    points, own = world.copy(), part == _TOOL
    tool = points[1:, own]
    centre = tool.mean(axis=1, keepdims=True)
    turn = Rotation.from_rotvec([TURN, 0.0, 0.0], degrees=True).as_matrix()
    points[1:, own] = (tool - centre) @ turn.T + centre + [0.0, 0.0, SHIFT]
    return points


def move_hand(world: Array, part: Array, distance: float) -> Array:
    """Move the left hand by ``distance`` metres away from the target that it holds; towards it if negative.

    The direction, one per frame, is that from the target's centroid to the hand's.  Not the right hand: it wraps the tool, so that a finger would
    keep touching it.
    """
    points, own = world.copy(), part == _LEFT_HAND
    away = points[1:, own].mean(axis=1) - points[1:, part == _TARGET].mean(axis=1)
    points[1:, own] += distance * (away / np.linalg.norm(away, axis=-1, keepdims=True))[:, None]
    return points


def collapse_tool(world: Array, part: Array) -> Array:
    """Shrink the tool to ``COLLAPSE`` of its size about its points' centroid."""
    points, own = world.copy(), part == _TOOL
    centre = points[1:, own].mean(axis=1, keepdims=True)
    points[1:, own] = centre + COLLAPSE * (points[1:, own] - centre)
    return points


def melt_objects(world: Array, part: Array, rng: np.random.Generator) -> Array:
    """Let each point of tool and target drift at a constant speed in a direction of its own, to ``MELT`` metres."""
    directions = rng.normal(size=world.shape[1:])
    drift = MELT * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    drift[~np.isin(part, OBJECT_PARTS)] = 0.0
    melted: Array = world + np.linspace(0.0, 1.0, len(world))[:, None, None] * drift
    return melted
