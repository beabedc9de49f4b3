"""Metric cards: everything about a metric but its code, read from TOML without importing it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from hoibench.metrics.outcome import Measurement
from hoibench.plugins import UnknownName, load_object, read_specs

if TYPE_CHECKING:
    from hoibench.metrics.case import Case

Direction = Literal["lower", "higher", "ratio", "none"]
Measure = Callable[["Case"], Iterable[Measurement]]

GROUPS = ("video/single-view", "video/multi-view", "motion/single-view", "motion/multi-view")
NEEDS = ("video", "tracks", "cameras", "truth.video", "truth.tracks", "truth.masks")
PRESETS = ("paper", "offline", "all")


@dataclass(frozen=True)
class Card:
    """One metric id and what a reader must know of it.

    Attributes:
        id: names everything that changes the value, with a version: ``matching_pixels/sift-mnn@1``.
        entry: ``module:function``; the function takes a Case and yields Measurements, the clip's headline last.
        title, group, unit, formula: what the page shows; ``group`` is one of ``GROUPS``.
        direction: which way is better; ``ratio`` ranks by |log(details.ratio)|; ``none`` is never ranked.
        bounds: (least, most) possible value; None is unbounded.
        needs: what prediction and clip must have, of ``NEEDS``; the rest gives ``not_applicable``.
        weights: ids in hoibench/weights that it loads.
        presets: ``paper`` (a column of the paper's tables), ``offline`` (no downloaded weights); ``all`` holds every metric.
        regions: ``full``, ``fg`` or both.
        ranked: whether it may order methods; secondary metrics are shown only.
        source, implementation, deviations, failure: where the definition comes from, what computes it, how it differs, where it misleads.
    """

    id: str
    entry: str
    title: str
    group: str
    unit: str
    direction: Direction
    formula: str
    source: str
    bounds: tuple[float | None, float | None] = (None, None)
    needs: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    presets: tuple[str, ...] = ()
    regions: tuple[str, ...] = ("full",)
    ranked: bool = True
    implementation: str = ""
    deviations: str = ""
    failure: str = ""

    def load(self) -> Measure:
        """Import the metric's function."""
        measure: Measure = load_object(self.entry)
        return measure


def parse_card(where: str, table: dict[str, Any]) -> Card:
    """A card from a TOML table.

    Raises:
        ValueError: a key is missing, unknown, or holds a word that is not in its vocabulary; names file, key and value.
    """
    known = {f.name for f in fields(Card)}
    unknown = sorted(set(table) - known)
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; a card has {', '.join(sorted(known))}")
    try:
        card = Card(**{key: _freeze(key, value) for key, value in table.items()})
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error
    for name, value, allowed in (
        ("group", (card.group,), GROUPS),
        ("needs", card.needs, NEEDS),
        ("presets", card.presets, PRESETS),
        ("direction", (card.direction,), ("lower", "higher", "ratio", "none")),
        ("regions", card.regions, ("full", "fg")),
    ):
        wrong = [v for v in value if v not in allowed]
        if wrong:
            raise ValueError(f"{where}: {name} holds {wrong[0]!r}, expected {', '.join(allowed)}")
    return card


def _freeze(key: str, value: Any) -> Any:
    if key == "bounds":
        return tuple(None if end in ("", "inf", "-inf") else float(end) for end in value)
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=1)
def all_cards() -> dict[str, Card]:
    """Every registered card by id, in file order; a file may hold several under ``[[card]]``.

    Raises:
        ValueError: two cards share an id, or a file is wrong.
    """
    cards: dict[str, Card] = {}
    for where, table in read_specs("hoibench.metrics"):
        for entry in table.get("card", [table]):
            card = parse_card(where, entry)
            if card.id in cards:
                raise ValueError(f"{where}: metric {card.id} is already registered; choose another id")
            cards[card.id] = card
    return cards


def select_cards(names: Iterable[str]) -> list[Card]:
    """Cards for metric ids, id stems without version, and preset names, each once, in registry order.

    Raises:
        UnknownName: gives the nearest names.
    """
    cards = all_cards()
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(cards)
        elif name in PRESETS:
            chosen.update(card.id for card in cards.values() if name in card.presets)
        else:
            hits = [key for key in cards if name in (key, key.rpartition("@")[0])]
            if not hits:
                raise UnknownName("metric", name, [*cards, *PRESETS])
            chosen.update(hits)
    return [card for key, card in cards.items() if key in chosen]
