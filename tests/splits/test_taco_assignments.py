import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.taco_assignments import HeldOut, Place, hold_out, official_place

KEY = st.from_regex(r"\A2023[01][0-9][0-3][0-9]_[0-9]{3}\Z")
WORD = st.sampled_from("abcd")
RULES = (
    HeldOut(tag="no_tool", why="why", tool="a"),
    HeldOut(tag="no_action", why="why", action="b"),
)


def place(key="20231002_001", triplet=("t", "x", "o"), official="train"):
    return hold_out(key, triplet, official, RULES, 0.1)


@given(KEY, st.tuples(WORD, WORD, WORD), st.sampled_from(["train", "test_1", "test_4"]))
def test_rules_hold_out_and_a_hash_of_the_key_decides_on_the_others(key, triplet, official):
    tool, action, _ = triplet
    tags = (("no_tool",) if tool == "a" else ()) + (("no_action",) if action == "b" else ())
    is_val = int(hashlib.sha256(f"{key}/val".encode()).hexdigest()[:16], 16) / 2**64 < 0.1
    part = "test_unseen" if tags else "val" if is_val else "train"
    of_taco = "official_train" if official == "train" else "official_test"
    assert place(key, triplet, official) == Place(part, (*tags, of_taco))


def test_one_in_ten_is_in_val():
    parts = Counter(place(f"20231002_{number:03d}").part for number in range(1000))
    assert parts == {"train": 910, "val": 90}


def test_official_places_carry_the_tag_of_their_part():
    assert official_place("train", {"test_2": "geometry"}) == Place("train")
    assert official_place("test_2", {"test_2": "geometry"}) == Place("test_2", ("geometry",))


@pytest.mark.parametrize(
    ("triplet", "covered"), [(("a", "x", "o"), True), (("x", "a", "o"), False), (("x", "x", "a"), False)]
)
def test_a_tool_is_held_out_as_a_tool_only(triplet, covered):
    assert RULES[0].covers(triplet) == covered
