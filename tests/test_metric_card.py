"""Metric cards: their file format, and the metrics that their rules refer to."""

import pytest

from hoibench.metric_card import GROUPS, Card, all_cards, select_cards
from hoibench.plugins import UnknownName
from hoibench.store.records import parse_record

TABLE = {
    "id": "a@1", "entry": "x:y", "title": "A", "group": "motion/multi-view", "unit": "%", "direction": "lower", "formula": "f", "source": "s",
}  # fmt: skip


def test_a_card_has_the_index_and_the_families_of_its_group():
    card = parse_record(Card, TABLE | {"bounds": [0, "inf"], "regions": ["full", "fg"]}, "a.toml")
    assert (card.bounds, card.regions) == ((0.0, None), ("full", "fg"))
    assert (card.group_index, card.group_title, card.families) == (3, "Motion, across views", ("ito4g", "vto4r"))
    assert GROUPS["video/single-view"].families == ("i2v", "i2vm", "v2v")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"group": "motion"}, r"a\.toml: group is 'motion': .*'motion/multi-view'"),
        ({"direction": "up"}, r"direction is 'up'"),
        ({"needs": ["truth"]}, r"needs\[0\] is 'truth'"),
        ({"regions": ["all"]}, r"regions\[0\] is 'all'"),
        ({"sets": ["all"]}, r"sets\[0\] is 'all'"),
        ({"bounds": [0]}, r"the key 'bounds\[1\]' is missing"),
        ({"stilness": {}}, r"unknown key 'stilness': did you mean 'stillness'\?"),
        ({"companion": {"metric": "b@1"}}, r"the key 'companion\.why' is missing"),
    ],
)
def test_a_wrong_key_is_named_with_its_value(keys, message):
    with pytest.raises(ValueError, match=message):
        parse_record(Card, TABLE | keys, "a.toml")


def test_metrics_in_rules_of_ranking_are_registered():
    cards = all_cards()
    ruled = [card for card in cards.values() if card.companion or card.stillness]
    assert len(ruled) >= 6
    for card in ruled:
        named = (
            *([card.companion.metric] if card.companion else []),
            *(card.stillness.motion if card.stillness else ()),
        )
        assert card.id not in named
        assert all(cards[other].ranked and set(card.regions) <= set(cards[other].regions) for other in named)
    assert all(
        cards[other].direction == "higher" for card in ruled if card.stillness for other in card.stillness.motion
    )


def test_metrics_are_selected_by_id_by_id_without_version_and_by_preset_each_once():
    cards = list(all_cards().values())
    assert select_cards(["all", "rpe"]) == cards
    assert select_cards(["offline"]) == [card for card in cards if "offline" in card.sets]
    assert [card.id for card in select_cards(["pi", "rpe@1", "rpe"])] == ["rpe@1", "pi@1"]
    with pytest.raises(UnknownName, match=r"did you mean .*rpe@1"):
        select_cards(["rpe@2"])
