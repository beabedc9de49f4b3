"""Metric cards: the description of a metric, read from TOML without importing its code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import field_validator

from hoibench.plugins import UnknownName, load_object, read_specs
from hoibench.store.records import Record, parse_record

Need = Literal["video", "tracks", "cameras", "truth.video", "truth.tracks", "truth.masks"]
Direction = Literal["lower", "higher", "ratio", "none"]
PRESETS = ("paper", "offline", "all")

_VIDEO = ("i2v", "i2vm", "v2v")
_MOTION = ("ito4g", "vto4r")


@dataclass(frozen=True)
class Group:
    """A group of columns on the page, and the families of methods that are ranked in it.

    A method competes as the first of its families that is in ``families``: one model may be I2VM for its videos and Ito4G for its motion.
    """

    title: str
    families: tuple[str, ...]


GROUPS = {
    "video/single-view": Group("Video, single view", _VIDEO),
    "video/multi-view": Group("Video, across views", _VIDEO),
    "motion/single-view": Group("Motion, single view", _MOTION),
    "motion/multi-view": Group("Motion, across views", _MOTION),
    "other": Group("Other", ()),
}
"""Groups by id, in page order; ``other`` is for metrics without a registered card."""


class Companion(Record):
    """A metric against the truth without which this metric is misleading.

    A row without a value of ``metric`` is not shown here; a row with a worse value of it than the frozen first frame is not ranked.

    Attributes:
        metric: the companion's id.
        why: a short reason.
    """

    metric: str
    why: str


class Stillness(Record):
    """The rule for a metric on which a still video does well: rows that move less than half as much as the truth are greyed.

    Attributes:
        motion: ids of metrics that measure motion, higher for more; the first that the board has counts, preferably in the same region.
    """

    motion: tuple[str, ...]


class Card(Record):
    """The description of one metric.

    Attributes:
        id: the metric's id with a version, e.g. ``matching_pixels/sift-mnn@1``; a change of the value needs a new id.
        entry: ``module:function``; the function takes a ``Case`` and yields ``Measurement``s, the clip's headline last.
        title, unit, formula: texts for the page.
        group: id in ``GROUPS``.
        direction: ``lower`` or ``higher`` is better; ``ratio`` ranks by |log(details.ratio)|; ``none`` is never ranked.
        bounds: (smallest, largest) possible value; None is unbounded, in a file ``"inf"``.
        needs: required parts of prediction and clip; without them the status is ``not_applicable``.
        weights: ids of the files in hoibench/weights that it loads.
        presets: ``paper`` (a column of the paper's tables), ``offline`` (no downloaded weights); ``all`` selects every metric.
        regions: ``full``, ``fg`` or both.
        ranked: false for a secondary metric, which is shown but never ranked.
        companion, stillness: rules of ranking, None if they do not apply.
        source, implementation: where the definition comes from, and the code that computes it.
        deviations, failure: differences from the source, and a known failure.
    """

    id: str
    entry: str
    title: str
    group: Literal["video/single-view", "video/multi-view", "motion/single-view", "motion/multi-view", "other"]
    unit: str
    direction: Direction
    formula: str
    source: str
    bounds: tuple[float | None, float | None] = (None, None)
    needs: tuple[Need, ...] = ()
    weights: tuple[str, ...] = ()
    presets: tuple[Literal["paper", "offline"], ...] = ()
    regions: tuple[Literal["full", "fg"], ...] = ("full",)
    ranked: bool = True
    companion: Companion | None = None
    stillness: Stillness | None = None
    implementation: str = ""
    deviations: str = ""
    failure: str = ""

    @field_validator("bounds", mode="before")
    @classmethod
    def _unbounded(cls, ends: Any) -> Any:
        return (
            tuple(None if end in ("inf", "-inf") else end for end in ends) if isinstance(ends, list | tuple) else ends
        )

    @property
    def group_title(self) -> str:
        """The title of the group."""
        return GROUPS[self.group].title

    @property
    def group_index(self) -> int:
        """The index of the group in page order."""
        return list(GROUPS).index(self.group)

    @property
    def families(self) -> tuple[str, ...]:
        """The families of methods that are ranked by this metric."""
        return GROUPS[self.group].families

    def load(self) -> Callable[..., Iterable[Any]]:
        """Import the metric's function, which takes a ``Case`` and yields ``Measurement``s."""
        function: Callable[..., Iterable[Any]] = load_object(self.entry)
        return function


@lru_cache(maxsize=1)
def all_cards() -> dict[str, Card]:
    """Read all registered cards by id, in file order; a file may have several under ``[[card]]``.

    Raises:
        ValueError: two cards share an id, or a file is invalid; names file, key and value.
    """
    cards: dict[str, Card] = {}
    for where, table in read_specs("hoibench.metrics"):
        for entry in table.get("card", [table]):
            card = parse_record(Card, entry, where)
            if card.id in cards:
                raise ValueError(f"{where}: metric {card.id} is already registered; choose another id")
            cards[card.id] = card
    return cards


def select_cards(names: Iterable[str]) -> list[Card]:
    """Select cards by metric id, id without version, or preset, each once, in registry order.

    Raises:
        UnknownName: a name matches no card; the message has the nearest names.
    """
    cards = all_cards()
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(cards)
        elif name in PRESETS:
            chosen.update(card.id for card in cards.values() if name in card.presets)
        else:
            matching = [key for key in cards if name in (key, key.rpartition("@")[0])]
            if not matching:
                raise UnknownName("metric", name, [*cards, *PRESETS])
            chosen.update(matching)
    return [card for key, card in cards.items() if key in chosen]
