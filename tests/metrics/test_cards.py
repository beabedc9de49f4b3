"""Built-in cards: their texts are complete, and the docstring of each ``measure_*`` function agrees with its card."""

import inspect

import pytest

from hoibench.metric_card import all_cards

DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "ratio": "a ratio to the truth near 1 is better",
    "none": "not ranked",
}
CARDS = [card for card in all_cards().values() if card.entry.startswith("hoibench.metrics.")]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_texts_are_complete(card):
    for text in (card.title, card.formula, card.source, card.implementation, card.deviations, card.failure):
        assert text.strip()
        assert "  " not in text  # a wrong line continuation


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_function_docstrings_agree_with_their_card(card):
    low, high = card.bounds
    bounds = f"{low:g} or more" if high is None else f"{low:g} to {high:g}"
    unit = "no unit" if card.unit in ("", "1") else card.unit
    first_line = inspect.getdoc(card.load()).splitlines()[0]
    assert first_line.startswith(
        f"Yield the measurements of {card.id} ({unit}; {DIRECTIONS[card.direction]}; {bounds}):"
    )


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.id)
def test_module_docstrings_give_the_formula_and_the_file_of_the_card(card):
    text = inspect.getmodule(card.load()).__doc__
    assert "\nFormula: " in text
    assert f"\nCard:       cards/{card_file(card)}\n" in text


def card_file(card):
    if card.group == "motion/multi-view":
        return "motion_across_views.toml"
    return {"motion/single-view": "motion.toml", "video/single-view": "video.toml"}.get(
        card.group, "video_across_views.toml"
    )
