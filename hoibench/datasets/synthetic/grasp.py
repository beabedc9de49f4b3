"""Grasps found by closing the hand: the palm slides up to the object, then each finger bends, joint by joint, until it touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hoibench.datasets.synthetic.objects.object_model import Grip
from hoibench.datasets.synthetic.solids import Solid
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.proxy_mesh import build
from hoibench.datasets.taco.hand.proxy_surface import FINGERS
from hoibench.datasets.taco.hand.skinning import rotations

Array = NDArray[np.float64]

TOUCH = 0.0008
"""Distance, metres, at which a vertex of the skin counts as touching; the hand closes no further."""
GIVE = 0.0010
"""How far the skin between two fingers may be carried on by them after it touches, metres."""
CLOSED = np.array([1.45, 1.70, 0.95])
"""Bend of a finger's joints in a fist, radians."""
FACING = 0.4
"""The part of the thumb's way in which it comes to face the palm."""
PALM_DEPTH = 0.016
START = 0.14  # metres from which the palm slides up
COARSE, FINE = 24, 9  # trial poses of a closing step, and of its refinement


@dataclass(frozen=True, eq=False)
class Grasp:
    """A hand at rest on an object: wrist ``rotation`` (3, 3) and ``wrist`` (3,) in the object's frame, ``fingers`` (45,) joint angles."""

    rotation: Array
    wrist: Array
    fingers: Array


def close_hand(solid: Solid, grip: Grip, side: Side, betas: Array) -> Grasp:
    """The hand of a given shape closed on a solid.

    Raises:
        ValueError: the grip's normal and thumb directions are not at right angles.
    """
    normal, thumb = _unit(grip.normal), _unit(grip.thumb)
    if abs(normal @ thumb) > 1e-6:
        raise ValueError(f"grip normal {grip.normal} and thumb {grip.thumb} are not at right angles")
    rotation = _hand_axes(normal, thumb, grip.oblique, side)
    bend = np.full((5, 3), grip.curl)
    bend[FINGERS.index("thumb")] = 0.0
    mirror = np.array([-1.0, 1.0, 1.0]) if side == "left" else np.ones(3)
    palm = rotation @ (mirror * [-grip.palm[0], -PALM_DEPTH, grip.palm[1]])
    approach = _unit(grip.approach or grip.normal)
    wrist = np.asarray(grip.point) - palm - START * approach
    reach = _Reach(solid, grip, side, betas, rotation)
    wrist = _slide(reach, bend, wrist, approach)
    goal = np.full((5, 3), grip.goal)
    goal[FINGERS.index("thumb")] = 0.0 if grip.goal < grip.curl else 1.0
    for first in range(3):
        bend = _close(reach, bend, goal, wrist, first)
    return Grasp(rotation, wrist, joint_angles(bend[None], side)[0])


def joint_angles(bend: Array, side: Side) -> Array:
    """(T, 45) joint angles of hands bent by (T, 5, 3), 0 straight to 1 closed, for index, middle, little, ring, thumb."""
    out = np.zeros((len(bend), 15, 3))
    out[:, :12, 2] = (bend[:, :4] * CLOSED).reshape(-1, 12)
    # The thumb first turns from the palm's side to face it, then swings across; its last two joints bend about their own axis.
    face = np.clip(bend[:, 4, 0] / FACING, 0.0, 1.0)
    across = np.clip((bend[:, 4, 0] - FACING) / (1.0 - FACING), 0.0, 1.0)
    turn = -0.25 + 1.4 * face
    swing = 0.95 * face - 1.9 * across
    none = np.zeros_like(turn)
    about_x = rotations(np.stack([turn, none, none], axis=1))
    out[:, 12] = axis_angle(rotations(np.stack([none, none, swing], axis=1)) @ about_x)
    axis = -about_x[:, 2]
    out[:, 13] = 0.7 * bend[:, 4, 1, None] * axis
    out[:, 14] = 1.1 * bend[:, 4, 2, None] * axis
    if side == "left":
        out *= [1.0, -1.0, -1.0]
    return out.reshape(-1, 45)


def axis_angle(rotation: Array) -> Array:
    """(N, 3) axis-angle vectors of (N, 3, 3) rotations, each the nearest to the one before it, so that motions stay smooth."""
    vectors = np.asarray(Rotation.from_matrix(rotation).as_rotvec())
    for n in range(1, len(vectors)):
        angle = np.linalg.norm(vectors[n])
        if angle > 1e-6:
            axis = vectors[n] / angle
            turns = np.round((vectors[n - 1] @ axis - angle) / (2.0 * np.pi))
            vectors[n] += 2.0 * np.pi * turns * axis
    return vectors


@dataclass(frozen=True, eq=False)
class _Reach:
    """The distance of a hand's skin to everything it must not enter."""

    solid: Solid
    grip: Grip
    side: Side
    betas: Array
    rotation: Array

    def __call__(self, bend: Array, wrist: Array) -> tuple[Array, Array]:
        """Signed distances (T, 778 + 1538), to the solid and to the floor, of vertices and face centres of hands bent by (T, 5, 3)."""
        theta = np.concatenate([np.zeros((len(bend), 3)), joint_angles(bend, self.side)], axis=1)
        skin = proxy_hand.vertices(self.side, theta, np.zeros((len(bend), 3)), self.betas)
        skin = np.concatenate([skin, skin[:, proxy_hand.FACES["right"]].mean(axis=2)], axis=1)
        hand = skin @ self.rotation.T + wrist
        gap = self.solid.distance(hand.reshape(-1, 3)).reshape(len(bend), -1)
        floor = -np.inf if self.grip.floor is None else self.grip.floor
        return gap, hand[..., 2] - floor


@cache
def _moved_by() -> Array:
    """(5, 778 + 1538) how close vertices and face centres may come before a finger stops: TOUCH on it, less where it only drags skin along."""
    weights = build().weights
    weights = np.concatenate([weights, weights[proxy_hand.FACES["right"]].mean(axis=1)])
    fingers = weights[:, 1:].reshape(len(weights), len(FINGERS), 3).sum(axis=2).T
    return np.where(fingers > 0.5, TOUCH, np.where(fingers > 0.03, TOUCH - GIVE, -np.inf))


def _slide(reach: _Reach, bend: Array, wrist: Array, approach: Array) -> Array:
    """Move along ``approach`` by the distance that is surely free, again and again, until the hand touches; over the floor, along it."""
    for _ in range(80):
        gap, over_floor = reach(bend[None], wrist)
        sunk = TOUCH - float(over_floor.min())
        if sunk > 1e-6:
            wrist = wrist + sunk * np.array([0.0, 0.0, 1.0])
            continue
        free = float(gap.min()) - TOUCH
        if free < 1e-4:
            break
        step = free * approach
        step[2] = max(step[2], -float(over_floor.min()) + TOUCH)
        wrist = wrist + step
    return wrist


def _close(reach: _Reach, bend: Array, goal: Array, wrist: Array, first: int) -> Array:
    """Bend the joints from the ``first`` on towards the ``goal``, finger by finger, up to the last pose before the finger would enter something."""
    moving = np.arange(3) >= first
    low, high = np.zeros(5), np.ones(5)
    for count in (COARSE, FINE):
        part = np.linspace(low, high, count)
        trial = bend + part[:, :, None] * (goal - bend) * moving
        gap = np.minimum(*reach(trial, wrist))
        hit = np.stack([(gap < limit).any(axis=1) for limit in _moved_by()], axis=1)
        last = np.where(hit.any(axis=0), hit.argmax(axis=0) - 1, count - 1)
        high = part[np.minimum(last + 1, count - 1), np.arange(5)]
        low = part[np.maximum(last, 0), np.arange(5)]
    return np.asarray(bend + low[:, None] * (goal - bend) * moving)


def _hand_axes(normal: Array, thumb: Array, oblique: float, side: Side) -> Array:
    """(3, 3) rotation of the hand's rest axes for a palm that faces ``normal`` with its thumb side towards ``thumb``."""
    fingers = np.cross(normal, thumb) if side == "right" else np.cross(thumb, normal)
    fingers, thumb = (
        np.cos(oblique) * fingers + np.sin(oblique) * thumb,
        np.cos(oblique) * thumb - np.sin(oblique) * fingers,
    )
    x = -fingers if side == "right" else fingers
    return np.stack([x, -normal, thumb], axis=1)


def _unit(v: tuple[float, float, float]) -> Array:
    a = np.asarray(v, dtype=np.float64)
    return np.asarray(a / np.linalg.norm(a))
