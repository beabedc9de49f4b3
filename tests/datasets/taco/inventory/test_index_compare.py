import json
from dataclasses import replace

import numpy as np
import pytest
import taco_faults
import taco_tree

from hoibench.datasets.taco import layout
from hoibench.datasets.taco.inventory.index import index_tree
from hoibench.datasets.taco.inventory.index_compare import compare
from hoibench.datasets.taco.layout import Tree
from hoibench.store import write_bytes

POUR, HIT, MEASURE, SHORT = (shoot.key for shoot in taco_tree.PLAN)


@pytest.fixture(scope="module")
def records(taco):
    return index_tree(taco.tree, hands=True)


def differences(taco_copy, records):
    return compare(records, index_tree(Tree(taco_copy.root), hands=True))


def test_a_copy_is_the_same(taco_copy, records):
    assert differences(taco_copy, records) == {}


def test_a_copy_resized_with_its_calibration_is_the_same(taco_copy, records):
    """As the mirror does it: videos and K at 512x376, fx by 512 / 4096 and fy by 376 / 3000."""
    for key in taco_copy.written:
        path = taco_copy.sequence(key).calibration
        table = json.loads(path.read_text())
        for entry in table.values():
            width, height = entry["imgSize"]
            ratio = np.array([512 / width, 376 / height, 1.0])
            entry["K"] = (np.reshape(entry["K"], (3, 3)) * ratio[:, None]).tolist()
            entry["imgSize"] = [512, 376]
        write_bytes(path, json.dumps(table).encode())
    assert differences(taco_copy, records) == {}


def test_a_copy_of_less_is_the_same_but_for_sequences_it_lacks(taco_copy, records):
    taco_faults.drop_modality(taco_copy, layout.HANDS)
    taco_faults.drop_modality(taco_copy, layout.CAMERAS)
    taco_faults.drop_camera(taco_copy, POUR, taco_tree.FOUR[0])
    assert differences(taco_copy, records) == {}
    assert compare(records, records[1:]) == {records[0].key: ("only in the first index",)}
    assert compare(records[1:], records) == {records[0].key: ("only in the second index",)}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (lambda t: taco_faults.nan_pose_rows(t, HIT), ["tool poses have other values"]),
        (lambda t: taco_faults.nan_hand_frame(t, HIT), ["right hand has other values"]),
        (
            lambda t: taco_faults.drop_calibration(t, HIT, "22139905"),
            ["camera 22139905 is calibrated in the first only"],
        ),
        (lambda t: taco_faults.turn_camera(t, HIT, "22139905"), ["camera 22139905: looks along "]),
        (lambda t: taco_faults.non_rigid_pose(t, HIT), ["is no rigid pose", "(in the second only)"]),
    ],
)
def test_another_content_is_said_in_words(taco_copy, records, fault, words):
    fault(taco_copy)
    found = differences(taco_copy, records)
    assert list(found) == [HIT]
    [said] = found[HIT]
    assert all(word in said for word in words)


def test_fewer_frames_are_said(taco_copy, records):
    for role in ("tool", "target"):
        taco_faults.frame_counts(taco_copy, HIT, role)
    said = differences(taco_copy, records)[HIT]
    assert said[0] == "181 frames against 180"
    assert "tool poses have other values" in said
    assert "target poses have other values" in said
    assert any("(in the second only)" in words for words in said)


def test_all_that_differs_is_said_and_keys_are_sorted(records):
    changed = [replace(r, triplet=("a", "b", "c"), objects={**r.objects, "tool": "999"}) for r in records]
    found = compare(records, tuple(changed))
    assert list(found) == sorted(r.key for r in records)
    for record in records:
        assert found[record.key] == (
            f"triplet is {record.triplet} against ('a', 'b', 'c')",
            f"tool is object {record.objects['tool']} against 999",
        )
