"""Built-in cards: their texts are complete, and the docstring of each ``measure_*`` function agrees with its card."""

import inspect

import pytest
from pydantic import ValidationError

from hoibench.metric_card import Card, all_cards, select_cards
from hoibench.plugins import load_object
from hoibench.store.records import parse_record

DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "ratio": "a ratio to the truth near 1 is better",
    "truth_distance": "nearer to the truth's is better",
    "none": "not ranked",
}
TEXTS = {
    "id": "m@1", "entry": "no:where", "title": "M", "group": "other", "unit": "m", "formula": "f", "source": "s",
}  # fmt: skip
CARDS = [card for card in all_cards().values() if card.entry.startswith("hoibench.metrics.")]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_texts_are_complete(card):
    for text in (card.title, card.formula, card.source, card.implementation, card.deviations, card.failure):
        assert text.strip()
        assert "  " not in text  # a wrong line continuation


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_function_docstrings_agree_with_their_card(card):
    low, high = card.bounds
    bounds = "unbounded" if low is None else f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
    unit = "no unit" if card.unit in ("", "1") else card.unit
    first_line = inspect.getdoc(load_object(card.entry)).splitlines()[0].format(**card.arguments)
    assert first_line.startswith(
        f"Yield the measurements of {card.id} ({unit}; {DIRECTIONS[card.direction]}; {bounds}):"
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_module_docstrings_give_the_formula_and_the_file_of_the_card(card):
    text = inspect.getmodule(load_object(card.entry)).__doc__
    assert "\nFormula: " in text
    assert f"\nCard:       cards/{card_file(card)}\n" in text


def test_every_ranked_metric_has_a_cap():
    with pytest.raises(ValidationError, match="no cap"):
        Card(**TEXTS, direction="lower")
    assert Card(**TEXTS, direction="lower", ranked=False).cap is None and not Card(**TEXTS, direction="none").is_ranked


def test_only_a_ranked_metric_is_primary():
    assert Card(**TEXTS, direction="lower", cap=1.0, primary=True).primary
    with pytest.raises(ValidationError, match="not ranked"):
        Card(**TEXTS, direction="none", primary=True)


def test_a_companion_of_a_built_in_card_is_a_metric():
    assert {rule.metric for card in CARDS for rule in card.companions} <= set(all_cards())


def test_a_method_does_not_choose_the_clips_on_which_it_is_compared_with_the_truth():
    """A companion that is undefined for the method alone needs a cap, as its value there."""
    compared = {rule.metric for card in CARDS for rule in card.companions if rule.ratio_to_truth}
    assert {all_cards()[metric].cap for metric in compared} == {0.0}


def test_the_headline_metrics_are_the_ranked_ones_with_their_companions():
    headline = select_cards(["headline"])
    companions = {rule.metric for card in headline for rule in card.companions}
    assert all(card.is_ranked or card.id in companions for card in headline)
    assert companions | {card.id for card in CARDS if card.is_ranked} <= {card.id for card in headline}


def test_an_unbounded_ratio_to_the_truth_is_written_as_inf():
    table = TEXTS | {"direction": "none", "companions": [{"metric": "n@1", "ratio_to_truth": [0.5, "inf"], "why": "x"}]}
    assert parse_record(Card, table, "file").companions[0].ratio_to_truth == (0.5, None)


def card_file(card):
    return {
        "motion/single-view": "motion.toml",
        "motion/multi-view": "motion_across_views.toml",
        "interaction": "interaction.toml",
        "video/single-view": "video.toml",
    }.get(card.group, "video_across_views.toml")
