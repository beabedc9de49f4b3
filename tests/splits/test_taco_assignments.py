from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from splits.taco_assignments import HeldOut, Place, hold_out, official_places, strata

WORD = st.sampled_from("abcd")
TRIPLET = st.tuples(WORD, WORD, WORD)
RULES = (
    HeldOut(tag="no_tool", why="why", tool="a"),
    HeldOut(tag="no_action", why="why", action="b"),
)


@given(st.lists(TRIPLET, max_size=60).map(tuple), st.integers(1, 12))
def test_a_class_is_a_triplet_or_the_rare_ones_of_an_action_or_the_rest(triplets, pooled_below):
    classes = strata(triplets, pooled_below)
    sizes, members = Counter(triplets), Counter(classes)
    for triplet, name in zip(triplets, classes, strict=True):
        if sizes[triplet] >= max(pooled_below, 2):
            assert members[name] == sizes[triplet]
        elif name != "rest":
            mates = {t for t, other in zip(triplets, classes, strict=True) if other == name}
            assert {t[1] for t in mates} == {triplet[1]}
            assert all(sizes[t] < pooled_below for t in mates)
    assert all(count > 1 for name, count in members.items() if name != "rest")


def sequences(*counted):
    items = [triplet for triplet, count in counted for _ in range(count)]
    return {f"20230927_{number:03d}": triplet for number, triplet in enumerate(items)}


def test_single_ones_of_rare_actions_share_the_rest():
    triplets = tuple(sequences((("t", "x", "o"), 1), (("t", "y", "o"), 1), (("t", "z", "o"), 12)).values())
    assert Counter(strata(triplets, 10)) == {"rest": 2, "t z o": 12}


def draw(triplets, seed=1):
    return hold_out(triplets, RULES, val_share=0.1, pooled_below=10, seed=seed)


def test_rules_hold_out_and_the_others_are_split_nine_to_one_within_each_triplet():
    triplets = sequences(
        (("a", "x", "o"), 3), (("t", "b", "o"), 2), (("a", "b", "o"), 1), (("t", "x", "o"), 40), (("t", "y", "p"), 10)
    )
    places = draw(triplets)
    assert places.keys() == triplets.keys()
    assert Counter(place.tags for place in places.values() if place.part == "test_unseen") == {
        ("no_tool",): 3,
        ("no_action",): 2,
        ("no_tool", "no_action"): 1,
    }
    for triplet, count in ((("t", "x", "o"), 4), (("t", "y", "p"), 1)):
        assert sum(places[key] == Place("val") for key in triplets if triplets[key] == triplet) == count


def test_the_split_depends_on_the_seed_but_not_on_the_order():
    triplets = sequences((("t", "x", "o"), 40), (("t", "y", "o"), 20))
    backwards = dict(reversed(triplets.items()))
    assert draw(triplets) == draw(backwards)
    assert draw(triplets) != draw(triplets, seed=2)


def test_official_places_carry_the_tag_of_their_part():
    assert official_places({"x": "train", "y": "test_2"}, {"test_2": "geometry"}) == {
        "x": Place("train"),
        "y": Place("test_2", ("geometry",)),
    }


@pytest.mark.parametrize(
    ("triplet", "covered"), [(("a", "x", "o"), True), (("x", "a", "o"), False), (("x", "x", "a"), False)]
)
def test_a_tool_is_held_out_as_a_tool_only(triplet, covered):
    assert RULES[0].covers(triplet) == covered
