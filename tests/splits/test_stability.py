"""Lists with more or fewer lines, in any order, move no other sequence."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splits.taco import split_lists
from splits.taco_lists import Lists, released_lists

LISTS = released_lists()
KEYS = sorted(LISTS.triplets)
NEW_KEY = st.integers(0, 999).map("20240101_{:03d}".format)
NEW_SEQUENCE = st.tuples(
    st.sampled_from([("hammer", "hit", "toy"), ("eraser", "brush", "pan"), ("mop", "wipe", "plate")]),
    st.sampled_from(["train", "test_1", "test_4"]),
    st.booleans(),
)


def lines(lists):
    """(split, key) -> (part, line)."""
    return {
        (name, line.entry.id): (part, line)
        for name, (parts, _) in split_lists(lists).items()
        for part, found in parts.items()
        for line in found
    }


@pytest.fixture(scope="module")
def released():
    return lines(LISTS)


def change(removed, added, shuffle):
    """The released lists without some keys, with other sequences, in another order."""
    triplets = {key: triplet for key, triplet in LISTS.triplets.items() if key not in removed}
    triplets |= {key: triplet for key, (triplet, _, _) in added.items()}
    keys = list(triplets)
    shuffle(keys)
    parts = LISTS.parts | {key: part for key, (_, part, _) in added.items()}
    marker_removed = (LISTS.marker_removed - removed) | {key for key, (_, _, without) in added.items() if without}
    return Lists({key: triplets[key] for key in keys}, marker_removed, {key: parts[key] for key in reversed(keys)})


@settings(max_examples=8)
@given(
    st.sets(st.sampled_from(KEYS), max_size=3) | st.integers(1, 2316).map(lambda number: set(KEYS[:number])),
    st.dictionaries(NEW_KEY, NEW_SEQUENCE, max_size=3),
    st.integers(0, 99),
)
def test_no_other_sequence_moves(released, removed, added, seed):
    found = lines(change(removed, added, random.Random(seed).shuffle))
    assert found.keys() >= {item for item in released if item[1] not in removed}
    for item, place in found.items():
        if item[1] not in added:
            assert place == released[item]
    assert {key for _, key in found} == (set(KEYS) - removed) | added.keys()


def test_a_new_sequence_has_the_same_place_and_cameras_in_any_list():
    new = {"20240101_000": (("mop", "wipe", "plate"), "train", True)}
    whole, alone = (lines(change(removed, new, list)) for removed in (set(), set(KEYS)))
    assert len(alone) == 7
    assert alone.items() <= whole.items()


def test_a_corrected_triplet_moves_its_sequence_alone(released):
    key = KEYS[0]
    assert LISTS.triplets[key][0] != "hammer"
    found = lines(replace(LISTS, triplets={**LISTS.triplets, key: ("hammer", "hit", "toy")}))
    assert {k for (_, k), place in found.items() if place != released[_, k]} == {key}
    assert found["taco-syncmv4d@2", key][0] == "test_unseen"
