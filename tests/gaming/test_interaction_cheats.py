"""Points of hands and objects made to score well: each is greyed, or no better than an honest twin in any ranked column of the interaction."""

from dataclasses import replace

import numpy as np
import pytest
from gaming import Truth, cheat, check_cheat, find_cheats

from hoibench.clip import PARTS
from hoibench.evaluation.interaction_corruptions import collapse_tool, move_hand
from hoibench.rigid_object import OBJECT_PARTS

HANDS = (PARTS.index("left hand"), PARTS.index("right hand"))
NEAR = 0.01
"""Metres: points of a hand and an object that touch in frame 0 are no further apart: the points are 5 to 10 mm apart."""


def slightly_noisy(truth: Truth):
    """The truth with 3 mm of noise."""
    return truth.tracks(truth.X + truth.noise(0.003))


def half_of_objects_far(truth: Truth):
    """The truth with 3 mm of noise, but 10 cm on every second point of the objects."""
    return truth.tracks(truth.X + truth.noise(np.where(is_second_of_object(truth), 0.1, 0.003)[:, None]))


@cheat(slightly_noisy, greyed=("rigidity@1", "contact_accuracy@1", "contact_depth_error@1"))
def standing_still(truth: Truth):
    """The true first frame, held: objects keep their shape, and hands their contacts."""
    return truth.tracks(np.broadcast_to(truth.X[:, :1], truth.X.shape))


@cheat(slightly_noisy, greyed=("rigidity@1", "contact_accuracy@1", "contact_depth_error@1"))
def standing_still_but_for_one_frame(truth: Truth):
    """The same; in one frame, objects and hands are a kilometre away, in the direction in which the tool has moved by then."""
    points, tool = truth.X[:, :1].repeat(truth.X.shape[1], axis=1), truth.clip.tracks.part == OBJECT_PARTS[0]
    middle = points.shape[1] // 2
    step = (truth.X[:, middle] - truth.X[:, 0])[:, tool].mean(axis=1, keepdims=True)
    points[:, middle] += 1e3 * step / np.linalg.norm(step, axis=-1, keepdims=True)
    return truth.tracks(points)


@cheat(slightly_noisy)
def tool_collapsed(truth: Truth):
    """The noise of the twin, with the tool at a tenth of its size: its points are all near one another."""
    noisy = truth.X + truth.noise(0.003)
    return truth.tracks(np.stack([collapse_tool(points, truth.clip.tracks.part) for points in noisy]))


@cheat(half_of_objects_far)
def far_points_left_out(truth: Truth):
    """No answer for the points of objects that would be far off."""
    valid = np.broadcast_to(~is_second_of_object(truth), truth.seen.shape)
    return replace(half_of_objects_far(truth), valid=valid.copy())


def hand_let_go(truth: Truth):
    """The truth with 3 mm of noise, and the left hand 2 cm away from the target that it holds."""
    noisy = truth.X + truth.noise(0.003)
    return truth.tracks(np.stack([move_hand(points, truth.clip.tracks.part, 0.02) for points in noisy]))


@cheat(hand_let_go, wins=dict.fromkeys(("contact_accuracy@1", "contact_depth_error@1"), "One hidden point of a hand"))
def hidden_point_glued(truth: Truth):
    """The same; each hand has one hidden point on every object that it touches in frame 0, in all frames."""
    prediction, part = hand_let_go(truth), truth.clip.tracks.part
    points = prediction.tracks.copy()
    for v in range(len(points)):
        hidden = ~truth.clip.tracks.visible[v].any(axis=0)
        for hand in HANDS:
            for number, index in enumerate(OBJECT_PARTS):
                own, other = np.flatnonzero(part == hand), np.flatnonzero(part == index)
                gaps = np.linalg.norm(truth.X[v, 0, own][:, None] - truth.X[v, 0, other], axis=-1)
                unseen = np.flatnonzero(hidden & (part == hand))
                if gaps.min() < NEAR and len(unseen) > number:
                    points[v, :, unseen[number]] = points[v, :, other[gaps.min(axis=0).argmin()]]
    return replace(prediction, tracks=points)


def is_second_of_object(truth: Truth):
    part = truth.clip.tracks.part
    return np.isin(part, OBJECT_PARTS) & (np.arange(len(part)) % 2 == 1)


CHEATS = find_cheats(globals())


@pytest.fixture(scope="module")
def board(play):
    return play(CHEATS, "interaction")


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.name)
def test_interaction_cheat(board, cheat):
    check_cheat(board, cheat)
