"""A check that fingers bend towards the palm, which those of the other hand's pose do not."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import HANDS
from hoibench.datasets.taco.hand.hand_pose import HandPose
from hoibench.problems import Problem

_FINGERS = slice(1, 13)
"""The joints of index, middle, little and ring finger among the 16 of a pose."""
_BACKWARDS, _CLEARLY = -0.1, -0.15
"""Radians: hands that are bent less than this on average are bent backwards, or clearly so; hands that hold something are bent by 0.2 to 1.2."""


def mean_bend(hand: HandPose) -> float:
    """Return the mean angle in radians, over all frames and the twelve joints of four fingers, by which a hand is bent towards its palm.

    In MANO's axes a right finger bends about +z, a left one about -z; a pose that is read as that of the other hand has the opposite sign.
    """
    about_z = hand.theta.reshape(len(hand.theta), 16, 3)[:, _FINGERS, 2]
    return float(np.nanmean(about_z)) * (1.0 if hand.side == "right" else -1.0)


def find_exchanged_hands(checked: CheckedSequence) -> Iterator[Finding]:
    """Refuse a sequence whose hands are both clearly bent backwards, since their files are exchanged.

    Warn if only one is clearly bent backwards, or one is and the other is not bent towards its palm.
    """
    hands = checked.recording.hands
    bends = [mean_bend(hand) for hand in hands]
    folder = checked.recording.sequence.folder(HANDS)
    if all(bend < _CLEARLY for bend in bends):
        found = "is bent backwards, and so is the right hand: the files of left and right hand are exchanged"
        yield Finding("refuse", Problem(str(folder / "left_hand.pkl"), "", found, "", ""))
        return
    limit = _BACKWARDS if all(bend < 0.0 for bend in bends) else _CLEARLY
    for hand, bend in zip(hands, bends, strict=True):
        if bend < limit:
            found = f"is bent backwards by {np.degrees(-bend):.0f} degrees in each joint on average: it may be a pose of the other hand"
            yield Finding("warn", Problem(str(folder / f"{hand.side}_hand.pkl"), "", found, "", ""))


HANDEDNESS = SequenceCheck(
    "handedness",
    "hands are bent backwards: left and right may be exchanged",
    "hands are bent towards their palms",
    f"unpack {HANDS}.zip again; if the problem remains, exclude these sequences",
    find_exchanged_hands,
)
