"""Compute grasps by closing a hand: the palm moves to the object, then each finger bends, joint by joint, until it touches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.objects.object_model import Grip
from hoibench.datasets.synthetic.solids import Solid
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.proxy_mesh import build_template
from hoibench.datasets.taco.hand.proxy_surface import FINGERS
from hoibench.datasets.taco.hand.skinning import rotations

SKIN_CONTACT_DISTANCE = 0.0008
"""Distance in metres at which a vertex of the skin touches the object, so that the hand or finger stops."""
SKIN_DRAG = 0.0010
"""Distance in metres by which skin between fingers may be closer than ``SKIN_CONTACT_DISTANCE`` before it stops a finger that drags it along."""
FIST_ANGLES = np.array([1.45, 1.70, 0.95])
"""Angles of the three joints of each finger in a fist, in radians."""
THUMB_FACING_SHARE = 0.4
"""First fraction of the thumb's closing motion, in which it turns to face the palm."""
PALM_DEPTH = 0.016
START_DISTANCE = 0.14  # metres from the object at which the palm starts
COARSE_STEPS, FINE_STEPS = 24, 9  # trial poses when closing a finger, and when refining its stop


@dataclass(frozen=True, eq=False)
class Grasp:
    """A hand that holds an object.

    Attributes:
        rotation: (3, 3) rotation from the hand's rest axes to the object's frame.
        wrist: (3,) position of the wrist in the object's frame, in metres.
        fingers: (45,) axis-angle vectors of the 15 finger joints, in radians.
        approach: (3,) unit vector in the object's frame, the direction in which the hand came.
        closing: (4, 5, 3) bend of the fingers, see ``joint_angles``, when it came and after each of three steps of closing.
    """

    rotation: FloatArray
    wrist: FloatArray
    fingers: FloatArray
    approach: FloatArray
    closing: FloatArray


def close_hand(solid: Solid, grip: Grip, side: Side, betas: FloatArray) -> Grasp:
    """Return the grasp of a hand with shape ``betas`` (10,) that approaches a solid as ``grip`` describes, and closes its fingers on it."""
    normal, thumb = _unit(grip.normal), _unit(grip.thumb)
    rotation = _hand_axes(normal, thumb, grip.oblique, side)
    bend = np.full((5, 3), grip.curl)
    bend[FINGERS.index("thumb")] = 0.0
    mirror = np.array([-1.0, 1.0, 1.0]) if side == "left" else np.ones(3)
    palm = rotation @ (mirror * [-grip.palm[0], -PALM_DEPTH, grip.palm[1]])
    approach = _unit(grip.approach or grip.normal)
    wrist = np.asarray(grip.point) - palm - START_DISTANCE * approach
    distance_to = _HandDistance(solid, grip, side, betas, rotation)
    wrist = _approach(distance_to, bend, wrist, approach)
    goal = np.full((5, 3), grip.goal)
    goal[FINGERS.index("thumb")] = 0.0 if grip.goal < grip.curl else 1.0
    closing = [bend]
    for first in range(3):
        closing.append(_bend_fingers(distance_to, closing[-1], goal, wrist, first))
    return Grasp(rotation, wrist, joint_angles(closing[-1][None], side)[0], approach, np.stack(closing))


def joint_angles(bend: FloatArray, side: Side) -> FloatArray:
    """Return the joint angles (T, 45) in radians of T hands.

    ``bend`` (T, 5, 3) gives the three joints of index, middle, little, ring and thumb, from 0 (straight) to 1 (closed).
    """
    out = np.zeros((len(bend), 15, 3))
    out[:, :12, 2] = (bend[:, :4] * FIST_ANGLES).reshape(-1, 12)
    # The thumb first turns from the side of the palm to face it, then swings across; its last two joints bend about their own axis.
    face = np.clip(bend[:, 4, 0] / THUMB_FACING_SHARE, 0.0, 1.0)
    across = np.clip((bend[:, 4, 0] - THUMB_FACING_SHARE) / (1.0 - THUMB_FACING_SHARE), 0.0, 1.0)
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


def axis_angle(rotation: FloatArray) -> FloatArray:
    """Return axis-angle vectors (N, 3) in radians of rotations (N, 3, 3), with full turns added so that each is nearest to its predecessor."""
    vectors = np.asarray(Rotation.from_matrix(rotation).as_rotvec())
    for n in range(1, len(vectors)):
        angle = np.linalg.norm(vectors[n])
        if angle > 1e-6:
            axis = vectors[n] / angle
            turns = np.round((vectors[n - 1] @ axis - angle) / (2.0 * np.pi))
            vectors[n] += 2.0 * np.pi * turns * axis
    return vectors


@dataclass(frozen=True, eq=False)
class _HandDistance:
    """The distances of a hand's skin to its object and to the floor, as a function of its bend and position."""

    solid: Solid
    grip: Grip
    side: Side
    betas: FloatArray
    rotation: FloatArray

    def __call__(self, bend: FloatArray, wrist: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the signed distances to the solid and the heights above the floor of T hands' skin, each (T, 778 + 1538) in metres.

        The skin is sampled at 778 vertices and 1538 face centres; ``bend`` (T, 5, 3) is that of ``joint_angles``, ``wrist`` (3,) a position.
        """
        theta = np.concatenate([np.zeros((len(bend), 3)), joint_angles(bend, self.side)], axis=1)
        skin = proxy_hand.vertices(self.side, theta, np.zeros((len(bend), 3)), self.betas)
        skin = np.concatenate([skin, skin[:, proxy_hand.FACES["right"]].mean(axis=2)], axis=1)
        hand = skin @ self.rotation.T + wrist
        gap = self.solid.distance(hand.reshape(-1, 3)).reshape(len(bend), -1)
        floor = -np.inf if self.grip.floor is None else self.grip.floor
        return gap, hand[..., 2] - floor


@cache
def _contact_limits() -> FloatArray:
    """Return the distance (5, 778 + 1538) in metres at which each vertex and face centre of the skin stops each finger.

    It is SKIN_CONTACT_DISTANCE on the finger, SKIN_DRAG less on skin that the finger drags along, and -inf elsewhere.
    """
    weights = build_template().weights
    weights = np.concatenate([weights, weights[proxy_hand.FACES["right"]].mean(axis=1)])
    fingers = weights[:, 1:].reshape(len(weights), len(FINGERS), 3).sum(axis=2).T
    return np.where(
        fingers > 0.5, SKIN_CONTACT_DISTANCE, np.where(fingers > 0.03, SKIN_CONTACT_DISTANCE - SKIN_DRAG, -np.inf)
    )


def _approach(distance_to: _HandDistance, bend: FloatArray, wrist: FloatArray, approach: FloatArray) -> FloatArray:
    """Return the wrist's position (3,) at first contact when the hand moves from ``wrist`` along ``approach`` without entering the floor."""
    for _ in range(80):
        gap, over_floor = distance_to(bend[None], wrist)
        sunk = SKIN_CONTACT_DISTANCE - float(over_floor.min())
        if sunk > 1e-6:
            wrist = wrist + sunk * np.array([0.0, 0.0, 1.0])
            continue
        free = float(gap.min()) - SKIN_CONTACT_DISTANCE
        if free < 1e-4:
            break
        step = free * approach
        step[2] = max(step[2], -float(over_floor.min()) + SKIN_CONTACT_DISTANCE)
        wrist = wrist + step
    return wrist


def _bend_fingers(
    distance_to: _HandDistance, bend: FloatArray, goal: FloatArray, wrist: FloatArray, first: int
) -> FloatArray:
    """Return the bend (5, 3) after joints ``first`` to 2 of each finger closed towards ``goal``, each finger up to its last pose without contact."""
    moving = np.arange(3) >= first
    low, high = np.zeros(5), np.ones(5)
    for count in (COARSE_STEPS, FINE_STEPS):
        part = np.linspace(low, high, count)
        trial = bend + part[:, :, None] * (goal - bend) * moving
        gap = np.minimum(*distance_to(trial, wrist))
        hit = np.stack([(gap < limit).any(axis=1) for limit in _contact_limits()], axis=1)
        last = np.where(hit.any(axis=0), hit.argmax(axis=0) - 1, count - 1)
        high = part[np.minimum(last + 1, count - 1), np.arange(5)]
        low = part[np.maximum(last, 0), np.arange(5)]
    return np.asarray(bend + low[:, None] * (goal - bend) * moving)


def _hand_axes(normal: FloatArray, thumb: FloatArray, oblique: float, side: Side) -> FloatArray:
    """Return the rotation (3, 3) from the hand's rest axes to the object's, for a palm facing ``normal`` and a thumb side towards ``thumb``.

    The hand is then rotated about ``normal`` by ``oblique`` radians, which moves the fingers towards ``thumb``.
    """
    fingers = np.cross(normal, thumb) if side == "right" else np.cross(thumb, normal)
    fingers, thumb = (
        np.cos(oblique) * fingers + np.sin(oblique) * thumb,
        np.cos(oblique) * thumb - np.sin(oblique) * fingers,
    )
    x = -fingers if side == "right" else fingers
    return np.stack([x, -normal, thumb], axis=1)


def _unit(v: tuple[float, float, float]) -> FloatArray:
    a = np.asarray(v, dtype=np.float64)
    return np.asarray(a / np.linalg.norm(a))
