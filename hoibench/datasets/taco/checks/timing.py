"""A check that a hand moves at the same time as the object in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import HANDS, OBJECT_ROLES
from hoibench.datasets.taco.hand.hand_pose import HandPose
from hoibench.datasets.taco.hand.skinning import rotations
from hoibench.datasets.taco.objects import place_vertices, to_object
from hoibench.problems import Problem
from hoibench.text import count

_SHIFTS = np.arange(-6, 7)
"""The shifts in frames that are tried."""
_STEP = 5
"""Frames over which motion is measured: a sixth of a second."""
_MOVING = 0.008
"""Metres by which an object moves in a step in which it counts as moving."""
_LEAST_STEPS = 15
_LATE = 2
"""Least shift in frames that is reported; the cameras are synchronized within half a frame."""
_FIRM = 0.012
"""Metres by which a hand moves in the frame of an object in a step, at most, if it holds the object."""
_GAIN = 0.0015
_SHARE = 0.8
"""A shift is reported if it reduces that motion by ``_GAIN`` metres, and to ``_SHARE`` of it."""
_ARM = 0.08
"""Metres from the wrist, or from an object's origin, to the points whose motion is measured: about half a hand."""


def find_late_hands(checked: CheckedSequence) -> Iterator[Finding]:
    """Warn of each hand that is still in the frame of the object in it only if it is shifted by two frames or more."""
    recording = checked.recording
    for hand in recording.hands:
        motions = [slip_by_shift(hand, poses) for poses in recording.object_poses]
        role, slip = min(zip(OBJECT_ROLES, motions, strict=True), key=lambda item: item[1].min())
        best, unshifted = int(slip.argmin()), float(slip[len(_SHIFTS) // 2])
        shift, least = int(_SHIFTS[best]), float(slip[best])
        is_inside = 0 < best < len(_SHIFTS) - 1
        if is_inside and abs(shift) >= _LATE and least <= min(_FIRM, _SHARE * unshifted, unshifted - _GAIN):
            path: Path = recording.sequence.folder(HANDS) / f"{hand.side}_hand.pkl"
            found = f"is {count(abs(shift), 'frame')} {'late' if shift > 0 else 'early'} against the {role} in the hand"
            moves = f"shifted, the hand moves in it by {1e3 * least:.1f} mm in a sixth of a second, not by {1e3 * unshifted:.1f}"
            yield Finding("warn", Problem(str(path), "", f"{found} ({moves})", "", ""))


def slip_by_shift(hand: HandPose, poses: Array) -> Array:
    """Return how far a hand moves in the frame of an object in a sixth of a second, in metres, for each shift of the hand in ``_SHIFTS``.

    The mean over the frames in which the object moves and both were recorded; infinity if these are too few.

    Args:
        hand: poses of the hand over N frames; it is late if it fits the object better when taken from later frames.
        poses: (N, 4, 4) object to world, metres.
    """
    palm = _palm(hand)
    inner = np.arange(_SHIFTS[-1], len(poses) - _SHIFTS[-1] - _STEP)
    points = place_vertices(_ARM * np.eye(3), poses)
    speed = np.linalg.norm(points[inner + _STEP] - points[inner], axis=2).mean(axis=1)
    moving = inner[speed > _MOVING]  # false for NaN
    slips = []
    for shift in _SHIFTS:
        first, last = (to_object(palm[rows + shift], poses[rows]) for rows in (moving, moving + _STEP))
        slip = np.linalg.norm(last - first, axis=2).mean(axis=1)
        slip = slip[np.isfinite(slip)]
        slips.append(slip.mean() if len(slip) >= _LEAST_STEPS else np.inf)
    return np.array(slips)


def _palm(hand: HandPose) -> Array:
    """Return the wrist and three points that are fixed to the palm, (N, 4, 3) metres in the world."""
    axes = _ARM * rotations(hand.theta[:, :3]).mT
    return np.concatenate([hand.trans[:, None], hand.trans[:, None] + axes], axis=1)


TIMING = SequenceCheck(
    "timing",
    "hands are late or early against the objects in them",
    "hands move at the same time as the objects in them",
    f"unpack {HANDS}.zip of the same copy as the object poses; if the problem remains, exclude these sequences",
    find_late_hands,
)
