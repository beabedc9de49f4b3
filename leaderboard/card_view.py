"""Metric cards (descriptions of metrics) in the form that the leaderboard page shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hoibench.metric_card import GROUPS, Card
from hoibench.metrics.card_text import describe_card, describe_direction
from leaderboard.text import sanitize

ARROWS = {"lower": "↓", "higher": "↑", "ratio": "→truth", "truth_distance": "→truth", "none": ""}


@dataclass(frozen=True)
class CardView:
    """A metric card as the page shows it.

    Attributes:
        number: the card's number on the page, from 1.
        id, title, formula: those of the metric.
        group: title of the metric's group.
        direction: which values are better, in words.
        is_ranked: true if methods are ranked by the metric.
        is_primary: true if the metric was declared in advance as one that compares methods.
        failure: a known failure of the metric, or empty.
        details: (name, text) of further facts, e.g. unit and source.
    """

    number: int
    id: str
    title: str
    group: str
    formula: str
    direction: str
    is_ranked: bool
    is_primary: bool
    failure: str
    details: tuple[tuple[str, str], ...]


def build_card_view(card: Card, number: int) -> CardView:
    """Return a metric card in the form that the page shows; ``number`` is its number on the page."""
    facts = {name: sanitize(text, 2000) for name, text in describe_card(card).items()}
    return CardView(
        number=number,
        id=sanitize(card.id, 80),
        title=sanitize(card.title, 80),
        group=card.group_title,
        formula=sanitize(card.formula, 1000),
        direction=f"{ARROWS[card.direction][:1]} {describe_direction(card)}".strip(),
        is_ranked=card.is_ranked,
        is_primary=card.primary,
        failure=facts.pop("known failure", ""),
        details=tuple(facts.items()),
    )


def group_cards(cards: Sequence[CardView]) -> list[tuple[str, list[CardView]]]:
    """Return (title, cards) of each group of metrics that has cards, in the order of the page, ranked metrics first."""
    ordered = sorted(cards, key=lambda card: not card.is_ranked)
    by_group = {group.title: [card for card in ordered if card.group == group.title] for group in GROUPS.values()}
    return [(title, members) for title, members in by_group.items() if members]
