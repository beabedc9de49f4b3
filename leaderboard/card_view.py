"""Metric cards (descriptions of metrics) in the form that the leaderboard page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoibench.metric_card import GROUPS, Card, Companion
from hoibench.metrics.self_test_record import describe_self_test
from leaderboard.text import sanitize

ARROWS = {"lower": "↓", "higher": "↑", "ratio": "→1", "truth_distance": "→truth", "none": ""}
DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "ratio": "ranked by how far its ratio to the truth is from 1",
    "truth_distance": "ranked by how far its value is from the truth's",
    "none": "not ranked",
}
CAPS = {"scene_size": "the scene's size D", "diagonal": "10 % of the image diagonal"}


@dataclass(frozen=True)
class CardView:
    """A metric card as the page shows it.

    Attributes:
        number: the card's number on the page, from 1.
        id, title, formula: those of the metric.
        group: title of the metric's group.
        direction: which values are better, in words.
        details: (name, text) of further facts, e.g. unit and source.
    """

    number: int
    id: str
    title: str
    group: str
    formula: str
    direction: str
    details: tuple[tuple[str, str], ...]


def build_card_view(card: Card, number: int) -> CardView:
    """Return a metric card in the form that the page shows; ``number`` is its number on the page."""
    low, high = ("unbounded" if end is None else f"{end:g}" for end in card.bounds)
    details = (
        ("unit", card.unit),
        ("bounds", "unbounded" if low == high == "unbounded" else f"{low} to {high}"),
        ("regions", ", ".join(card.regions)),
        ("needs", ", ".join(card.needs)),
        ("weights", ", ".join(card.weights) or "none"),
        ("sets", ", ".join(card.sets)),
        (
            "without an answer",
            "" if card.cap is None else CAPS.get(str(card.cap), f"{card.cap:g}" if isinstance(card.cap, float) else ""),
        ),
        ("companions", "; ".join(describe_companion(rule) for rule in card.companions)),
        ("source", card.source),
        ("implementation", card.implementation),
        ("deviations", card.deviations),
        ("known failure", f"{card.failure}\n{describe_self_test(card.id)}".strip()),
    )
    return CardView(
        number=number,
        id=sanitize(card.id, 80),
        title=sanitize(card.title, 80),
        group=card.group_title,
        formula=sanitize(card.formula, 1000),
        direction=f"{ARROWS[card.direction]} {DIRECTIONS[card.direction]}".strip()
        + ("" if card.ranked else "; secondary, never ranked"),
        details=tuple((name, sanitize(text, 2000)) for name, text in details if text),
    )


def describe_companion(rule: Companion) -> str:
    """Return a companion's rule in words, e.g. ``METRIC at least 0.5 (a still one is smooth, too)``."""
    low, high = rule.ratio_to_truth or (None, None)
    conditions = (
        None if rule.at_least is None else f"at least {rule.at_least:g}",
        None if rule.at_most is None else f"at most {rule.at_most:g}",
        None if low is None else f"at least {low:g} times the truth's",
        None if high is None else f"at most {high:g} times the truth's",
        None if rule.not_worse_than is None else f"not worse than {rule.not_worse_than}",
        "shown beside it, else withheld" if rule.required else None,
    )
    return f"{rule.metric} {', '.join(text for text in conditions if text)} ({rule.why})"


def group_cards(cards: Sequence[CardView]) -> list[tuple[str, list[CardView]]]:
    """Return (title, cards) of each group of metrics that has cards, in the order of the page."""
    by_group = {group.title: [card for card in cards if card.group == group.title] for group in GROUPS.values()}
    return [(title, members) for title, members in by_group.items() if members]
