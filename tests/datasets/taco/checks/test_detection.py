"""The table in docs/taco.md: how many sequences of each fault are refused or warned of, and the false alarms on good ones.

``pytest -m slow -s tests/datasets/taco/checks/test_detection.py`` prints it.
"""

import numpy as np
import pytest
from scene_recordings import (
    delay,
    exchange_hands,
    exchange_poses,
    invert_poses,
    length,
    noisy,
    other_mesh,
    scale_mesh,
    write_recording,
)

from hoibench.datasets.synthetic.catalogue import INSTANCES, catalogue
from hoibench.datasets.taco.checks import ANNOTATION_CHECKS, CheckedSequence, find_all

SEQUENCES, FRAMES = 20, 121
SMALL = 0.1
"""Metres: a larger object in millimetres is over 1 m long, which its reader refuses."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Sequences of all fifteen actions, with noise, in turn of two dates."""
    root = tmp_path_factory.mktemp("good")
    rng = np.random.default_rng(7)
    triplets = catalogue().triplets
    actions = sorted({action for _, action, _ in triplets})
    written = []
    for number in range(SEQUENCES):
        of_action = [triplet for triplet in triplets if triplet[1] == actions[number % len(actions)]]
        triplet = of_action[rng.integers(len(of_action))]
        key = f"{('20230927', '20231002')[number % 2]}_{number + 1:03d}"
        instances = tuple(rng.integers(INSTANCES, size=2).tolist())
        written.append(noisy(write_recording(root, key, triplet, instances, number, FRAMES), rng))
    return written


FAULTS = {
    "none": lambda r, other: r,
    "left and right hand files exchanged": lambda r, other: exchange_hands(r),
    "right hand 3 frames late": lambda r, other: delay(r, "right"),
    "left hand 3 frames late": lambda r, other: delay(r, "left"),
    "tool up to 10 cm in millimetres": lambda r, other: scale_mesh(r, 0, 10.0) if length(r, 0) <= SMALL else None,
    "target up to 10 cm in millimetres": lambda r, other: scale_mesh(r, 1, 10.0) if length(r, 1) <= SMALL else None,
    "tool in inches": lambda r, other: scale_mesh(r, 0, 1 / 2.54),
    "target in inches": lambda r, other: scale_mesh(r, 1, 1 / 2.54),
    "another tool's mesh": lambda r, other: other_mesh(r, 0, other.meshes[0]),
    "another target's mesh": lambda r, other: other_mesh(r, 1, other.meshes[1]),
    "poses of tool and target exchanged": lambda r, other: exchange_poses(r),
    "poses from world to object": lambda r, other: invert_poses(r),
}

LEAST = {
    "left and right hand files exchanged": 1.0,
    "right hand 3 frames late": 0.8,
    "tool up to 10 cm in millimetres": 1.0,
    "target up to 10 cm in millimetres": 1.0,
    "tool in inches": 0.7,
    "target in inches": 0.8,
    "another target's mesh": 0.4,
    "poses of tool and target exchanged": 0.95,
    "poses from world to object": 1.0,
}
"""The least share of sequences of which a fault is found; others are found in few, since little shows them."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found_and_good_sequences_are_not(recordings, fault):
    broken = [FAULTS[fault](r, recordings[(i + 7) % SEQUENCES]) for i, r in enumerate(recordings)]
    results = [_result(recording) for recording in broken if recording is not None]
    refused, warned = (sum(result == name for result in results) for name in ("refuse", "warn"))
    print(f"\n| {fault} | {len(results)} | {refused} | {warned} |")
    if fault == "none":
        assert (refused, warned) == (0, 0)
    else:
        assert refused + warned >= LEAST.get(fault, 0.0) * len(results)


def _result(recording):
    severities = {finding.severity for finding in find_all(ANNOTATION_CHECKS, CheckedSequence(recording, {}))}
    return "refuse" if "refuse" in severities else "warn" if severities else ""
