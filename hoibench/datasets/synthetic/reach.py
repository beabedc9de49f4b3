"""Hands that reach for their objects within a clip, or release them and withdraw, and the times of the action meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.grasp import Grasp, joint_angles
from hoibench.datasets.taco.hand.hand_pose import HandPose, Side

APPROACH_SECONDS = 0.75
"""Duration of a hand's way to its object, before the fingers close."""
CLOSING_SECONDS = 0.375
"""Duration of the closing of the fingers."""
STARTING_SECONDS = 0.25
"""Duration in which the action, once its objects are held, speeds up to its own speed."""
LIFTING_SECONDS = 0.5
"""Duration in seconds of the action in which a tool rises from where it rests to its planned path."""
DISTANCE = (0.09, 0.12)
"""Least and largest distance in metres of a resting hand from its grasp."""


@dataclass(frozen=True)
class Reach:
    """A change of contact in a clip: hands grasp their objects, which rest before, or release them, after which they rest.

    A release is a grasp in reverse, its action included.

    Attributes:
        hands: the hands that grasp or release; another one holds its object in all frames.
        change: ``grasp`` or ``release``.
        time: seconds from the start of the clip at which the hands hold their objects first, or last.
    """

    hands: tuple[Side, ...]
    change: Literal["grasp", "release"]
    time: float

    def held_seconds(self, t: FloatArray) -> FloatArray:
        """Return (N,) seconds from times ``t`` (N,) to the nearest time without a full grasp; negative while there is none."""
        return t - self.time if self.change == "grasp" else self.time - t


def action_times(held: FloatArray) -> FloatArray:
    """Return the times (N,) of an action, in seconds, that begins smoothly at ``held`` (N,) = 0, and is 0 before."""
    since = np.maximum(held, 0.0)
    return np.where(
        since < STARTING_SECONDS, since**2 / (2.0 * STARTING_SECONDS), np.maximum(since - STARTING_SECONDS / 2.0, 0.0)
    )


def resting_share(times: FloatArray) -> FloatArray:
    """Return (N,) from 1 at rest to 0 on the planned path, with a cubic transition, for a tool at ``times`` (N,) of its action in seconds."""
    return 1.0 - _smooth(times / LIFTING_SECONDS)


def move_away(hand: HandPose, grasp: Grasp, poses: FloatArray, held: FloatArray, distance: float) -> HandPose:
    """Return a hand's motion with its way to the object, and the closing of its fingers there.

    The fingers close as in ``close_hand``, by whose way the hand comes: both are free of the object.

    Args:
        hand: the hand, as it holds its object in all N frames.
        grasp: its grasp.
        poses: (N, 4, 4) poses of the object, from its frame to the hand's.
        held: (N,) seconds since the hand holds the object; negative before.
        distance: metres between the resting hand and its grasp.
    """
    away = distance * (1.0 - _smooth((held + CLOSING_SECONDS) / APPROACH_SECONDS + 1.0))
    steps = len(grasp.closing) - 1
    closed = steps * np.clip(held / CLOSING_SECONDS + 1.0, 0.0, 1.0)
    before = np.minimum(closed.astype(int), steps - 1)
    share = (closed - before)[:, None, None]
    bend = (1.0 - share) * grasp.closing[before] + share * grasp.closing[before + 1]
    theta = np.concatenate([hand.theta[:, :3], joint_angles(bend, hand.side)], axis=1)
    return replace(hand, theta=theta, trans=hand.trans - away[:, None] * (poses[:, :3, :3] @ grasp.approach))


def _smooth(x: FloatArray) -> FloatArray:
    """Return a smooth step: 0 up to ``x`` = 0, 1 from ``x`` = 1 on, cubic in between."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))
