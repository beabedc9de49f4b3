"""The record of the self-test: complete, consistent, and in words."""

import pytest

from hoibench.metric_card import all_cards
from hoibench.metrics import self_test_record
from hoibench.metrics.self_test_record import (
    ClipValues,
    SelfTest,
    describe_rewards,
    describe_self_test,
    judge,
    list_self_test,
    read_self_test,
)
from hoibench.plugins import is_built_in
from leaderboard.card_view import build_card_view

CARDS = [card for card in all_cards().values() if is_built_in(card.entry)]


def test_every_card_is_in_the_record():
    found = set(read_self_test().metrics)
    assert found == {card.id for card in CARDS}, "run python -m hoibench.evaluation.self_test --metrics METRIC"


def test_a_metric_without_values_says_why():
    for metric, outcomes in read_self_test().metrics.items():
        assert bool(outcomes.regions) != bool(outcomes.not_measured), metric


def test_recorded_outcomes_follow_from_recorded_values():
    for card in CARDS:
        for region in read_self_test().metrics[card.id].regions.values():
            for name, found in region.corruptions.items():
                assert found.outcome == judge(card, found, region.truth), (card.id, name)


@pytest.mark.parametrize(
    ("metric", "truth", "costs", "outcome"),
    [
        ("rpe@2", [1.0, 1.0], [1.0, 1.03], "blind"),
        ("rpe@2", [1.0, 1.0], [1.0, 1.05], "sees"),
        ("rpe@2", [1.0, 1.0], [1.2, 0.7], "rewards"),
        ("psnr@1", [-60.0, -60.0], [-60.0, None], "blind"),
        ("psnr@1", [-60.0, None], [None, -20.0], "undefined"),
        ("matching_pixels_rel/sift-mnn@2", [0.0, 0.0], [0.09, 0.1], "blind"),
        ("matching_pixels_rel/sift-mnn@2", [0.0, 0.0], [0.09, 0.2], "sees"),
        ("epipolar_error/sift-mnn@1", [2.0, 2.0], [1.7, 1.8], "rewards"),
    ],
)
def test_a_cost_is_compared_with_the_truths(metric, truth, costs, outcome):
    found = ClipValues(values=(0.0, 0.0), costs=tuple(costs))
    assert judge(all_cards()[metric], found, ClipValues(values=(0.0, 0.0), costs=tuple(truth))) == outcome


def test_a_metric_without_direction_sees_what_changes_its_values():
    card, none = all_cards()["net_motion/dis@1"], (None, None)
    truth = ClipValues(values=(0.1, 0.1), costs=none)
    assert judge(card, ClipValues(values=(0.05, 0.15), costs=none), truth) == "sees"
    assert judge(card, ClipValues(values=(0.1, 0.101), costs=none), truth) == "blind"


def test_the_record_in_words(monkeypatch):
    one = {"values": [1.0], "costs": [1.0]}
    outcomes = {
        "blur": one | {"outcome": "rewards"},
        "frozen": one | {"outcome": "blind", "greyed_by": ["n@1"]},
        "noise": one | {"outcome": "sees", "greyed_by": ["n@1"]},
    }
    corruptions = dict.fromkeys(["noise", "blur", "frozen", "text"], "what it changes")
    region = {"truth": one, "corruptions": outcomes}
    metrics = {
        "m@1": {"regions": {"full": region}},
        "both@1": {"regions": {"full": region, "fg": region}},
        "heavy@1": {"not_measured": "since the weights w were not at hand"},
    }
    table = {"truth": "synthetic@2", "split": "demo", "clips": ["a"], "corruptions": corruptions, "metrics": metrics}
    record = SelfTest.model_validate(table, strict=False)
    monkeypatch.setattr(self_test_record, "read_self_test", lambda: record)
    words = "rewards blur; blind to frozen (greyed); sees noise"
    assert describe_self_test("m@1") == f"On 1 clip of synthetic@2: {words}."
    assert describe_self_test("both@1") == f"On 1 clip of synthetic@2: full: {words}. fg: {words}."
    assert describe_rewards("m@1") == "In the self-test, it rewards blur."
    assert describe_rewards("both@1") == "In the self-test, it rewards blur in full and fg."
    assert describe_rewards("heavy@1") == describe_rewards("mine@1") == ""
    assert describe_self_test("heavy@1") == "Not measured, since the weights w were not at hand."
    assert describe_self_test("mine@1") == ""
    full, fg, heavy = list_self_test(["both@1", "heavy@1"])
    assert full == fg | {"region": "full"} and heavy["region"] == "not measured"
    assert [full[name] for name in corruptions] == ["(sees)", "rewards", "(blind)", ""]


def test_a_card_says_what_its_metric_rewards():
    view = build_card_view(all_cards()["smoothness@1"], 1)
    assert view.failure.endswith("In the self-test, it rewards delayed view, frozen, scaled points.")
    assert dict(view.details)["self-test"] == describe_self_test("smoothness@1")
