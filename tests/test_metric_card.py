"""Metric cards: their file format, and the metrics that their rules refer to."""

import pytest

from hoibench.metric_card import GROUPS, Card, all_cards, select_cards
from hoibench.plugins import UnknownName
from hoibench.store.records import parse_record

TABLE = {
    "id": "a@1", "entry": "x:y", "title": "A", "group": "motion/multi-view", "unit": "%", "direction": "lower", "cap": 100,
    "formula": "f", "source": "s",
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
        ({"companion": []}, r"unknown key 'companion': did you mean 'companions'\?"),
        ({"companions": [{"metric": "b@1"}]}, r"the key 'companions\[0\]\.why' is missing"),
    ],
)
def test_a_wrong_key_is_named_with_its_value(keys, message):
    with pytest.raises(ValueError, match=message):
        parse_record(Card, TABLE | keys, "a.toml")


def test_a_metrics_function_gets_its_arguments():
    card = parse_record(Card, TABLE | {"entry": "builtins:dict", "arguments": {"matcher": "m"}}, "a.toml")
    assert card.load()() == {"matcher": "m"}


def test_metrics_in_rules_of_ranking_are_registered():
    cards = all_cards()
    rules = [(card, rule) for card in cards.values() for rule in card.companions]
    assert len(rules) >= 6
    for card, rule in rules:
        assert card.id != rule.metric in cards
        assert set(card.regions if rule.region is None else [rule.region]) <= set(cards[rule.metric].regions)


def test_metrics_are_selected_by_id_by_id_without_version_and_by_preset_each_once():
    cards = list(all_cards().values())
    assert select_cards(["all", "rpe"]) == cards
    assert select_cards(["offline"]) == [card for card in cards if "offline" in card.sets]
    assert [card.id for card in select_cards(["pi", "rpe@2", "rpe"])] == [
        "rpe@2",
        "pi@1",
    ]  # of two versions of rpe the newer
    with pytest.raises(UnknownName, match=r"did you mean .*rpe@2"):
        select_cards(["rpe@9"])
