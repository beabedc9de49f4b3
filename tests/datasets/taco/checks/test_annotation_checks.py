"""Faults that the annotations of a sequence alone give away: good sequences have no findings, and each fault has the right one."""

from dataclasses import replace

import numpy as np
import pytest
from scene_recordings import (
    altered,
    delay,
    exchange_hands,
    exchange_poses,
    invert_poses,
    noisy,
    other_mesh,
    scale_mesh,
    write_recording,
)

from hoibench.datasets.taco.checks import ANNOTATION_CHECKS, CheckedSequence, find_all, raise_refusals
from hoibench.datasets.taco.checks.handedness import find_exchanged_hands
from hoibench.problems import ProblemsFound

HIT, FRY = "20230927_001", "20231002_002"
TOOL, TARGET = 0, 1
MILLIMETRES, INCHES = 10.0, 1 / 2.54


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A hammer on a box of 9 cm, and a spoon in a pan that the left hand shakes; of different dates, hence in different world frames."""
    root = tmp_path_factory.mktemp("scenes")
    return {
        HIT: write_recording(root, HIT, ("hammer", "hit", "box"), seed=4),
        FRY: write_recording(root, FRY, ("spoon", "stir-fry", "pan"), seed=29),
    }


def findings(recording):
    return [
        (finding.severity, str(finding.problem))
        for finding in find_all(ANNOTATION_CHECKS, CheckedSequence(recording, {}))
    ]


@pytest.mark.parametrize("key", [HIT, FRY])
def test_good_sequences_have_no_findings(recordings, key):
    assert findings(recordings[key]) == []
    assert findings(noisy(recordings[key], np.random.default_rng(0))) == []


FAULTS = {
    "hand files exchanged": (HIT, exchange_hands, "refuse", "left_hand.pkl is bent backwards, and so is the right hand"),
    "a hand three frames late": (HIT, lambda r: delay(r, "right"), "warn", "right_hand.pkl is 3 frames late against the tool"),
    "the other hand three frames late": (FRY, lambda r: delay(r, "left"), "warn", "left_hand.pkl is 3 frames late against the target"),
    "an object of 9 cm in millimetres": (HIT, lambda r: scale_mesh(r, TARGET, MILLIMETRES), "refuse", "while a box is 5 to 45 cm and has a hand"),
    "a tool in inches": (FRY, lambda r: scale_mesh(r, TOOL, INCHES), "warn", "cm long, while a spoon is 8 to 50 cm"),
    "a target in inches": (HIT, lambda r: scale_mesh(r, TARGET, INCHES), "warn", "cm long, while a box is 5 to 45 cm"),
    "poses exchanged": (FRY, exchange_poses, "warn", "moves the target by"),
    "poses exchanged, which the hands show": (HIT, exchange_poses, "refuse", "hands fit them only with their poses exchanged"),
    "poses from world to object": (HIT, invert_poses, "refuse", "the poses are from world to object"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(recordings, name):
    key, break_, severity, text = FAULTS[name]
    every = list(find_all(ANNOTATION_CHECKS, CheckedSequence(break_(recordings[key]), {})))
    found = [(finding.severity, str(finding.problem)) for finding in every]
    assert any(s == severity and text in problem for s, problem in found), found
    if severity == "warn":
        assert all(s == "warn" for s, _ in found)
        assert len(raise_refusals(every)) == len(found)
    else:
        with pytest.raises(ProblemsFound, match="exclude these sequences"):
            raise_refusals(every)


def test_another_objects_mesh_is_found_if_its_shape_differs_where_it_is_held(recordings):
    pan = recordings[FRY].meshes[TARGET]
    assert any(
        "box" in text or "tool and target" in text for _, text in findings(other_mesh(recordings[HIT], TARGET, pan))
    )


def test_one_pose_of_the_other_hand_is_a_warning(recordings):
    left, right = recordings[HIT].hands
    ((severity, text), *_) = findings(
        altered(recordings[HIT], hands=(left, replace(left, side="right", trans=right.trans)))
    )
    assert severity == "warn"
    assert "right_hand.pkl is bent backwards by" in text


@pytest.mark.parametrize(
    ("left", "right", "severities"),
    [
        (-0.2, -0.2, ["refuse"]),
        (-0.105, -0.002, ["warn"]),
        (-0.2, -0.12, ["warn", "warn"]),
        (0.3, -0.2, ["warn"]),
        (0.01, -0.105, []),
        (-0.05, -0.05, []),
    ],
)
def test_nearly_flat_hands_are_not_refused(recordings, left, right, severities):
    def bend(hand, angle):
        theta = np.zeros_like(hand.theta)
        theta[:, 2::3] = angle if hand.side == "right" else -angle
        return replace(hand, theta=theta)

    hands = [bend(hand, angle) for hand, angle in zip(recordings[HIT].hands, (left, right), strict=True)]
    found = find_exchanged_hands(CheckedSequence(altered(recordings[HIT], hands=tuple(hands)), {}))
    assert [finding.severity for finding in found] == severities


def test_rows_that_were_not_recorded_are_ignored(recordings):
    recording = recordings[HIT]
    gone = np.arange(recording.frames) % 3 == 1

    def lose(values):
        lost = values.copy()
        lost[gone] = np.nan
        return lost

    hands = tuple(replace(hand, theta=lose(hand.theta), trans=lose(hand.trans)) for hand in recording.hands)
    assert findings(altered(recording, hands=hands, object_poses=tuple(map(lose, recording.object_poses)))) == []


def test_a_recording_of_few_frames_has_no_findings(recordings):
    recording = recordings[HIT]
    hands = tuple(replace(hand, theta=hand.theta[:4], trans=hand.trans[:4]) for hand in recording.hands)
    assert (
        findings(altered(recording, hands=hands, object_poses=tuple(poses[:4] for poses in recording.object_poses)))
        == []
    )


def test_findings_do_not_depend_on_the_world_frame(recordings):
    """The scenes are of two dates; a fault's text is the same where only the frame changes."""
    recording = delay(recordings[HIT], "right")
    turn = np.eye(4)
    turn[:3, :3], turn[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [3.0, -2.0, 0.5]

    def move(hand):
        from scipy.spatial.transform import Rotation

        roots = (Rotation.from_matrix(turn[:3, :3]) * Rotation.from_rotvec(hand.theta[:, :3])).as_rotvec()
        return replace(
            hand,
            theta=np.concatenate([roots, hand.theta[:, 3:]], axis=1),
            trans=hand.trans @ turn[:3, :3].T + turn[:3, 3],
        )

    moved = altered(
        recording, hands=tuple(map(move, recording.hands)), object_poses=tuple(turn @ p for p in recording.object_poses)
    )
    assert findings(moved) == findings(recording)
