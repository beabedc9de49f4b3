"""Metric cards: everything about a metric but its code, read from TOML without importing it."""

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
    """Columns that stand together on the page.

    A method of several families competes in such a column as the first of them that is among ``families``: one model may be I2VM for its videos
    and Ito4G for its motion.
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
"""Groups by id, in the page's order."""


class Companion(Record):
    """A metric against the truth, without which a number of this metric misleads.

    A row that has no number in ``metric`` does not show one here either; a row that is worse in it than the first frame held (the frozen row) is
    shown and not ranked.  ``why`` says in a few words what goes wrong otherwise.
    """

    metric: str
    why: str


class Stillness(Record):
    """Standing still earns this metric a good number, so it says little of a row that hardly moves.

    The number of a row that moves less than half as much as the truth does is greyed; it stays in the ranking.  ``motion`` lists the metrics that
    tell how much a row moves, higher for more: the first that the board has, in the same region where possible, decides.
    """

    motion: tuple[str, ...]


class Card(Record):
    """One metric id and what a reader must know of it.

    Attributes:
        id: names everything that changes the value, with a version: ``matching_pixels/sift-mnn@1``.
        entry: ``module:function``; the function takes a Case and yields Measurements, the clip's headline last.
        title, group, unit, formula: what the page shows; ``group`` is one of ``GROUPS``.
        direction: which way is better; ``ratio`` ranks by |log(details.ratio)|; ``none`` is never ranked.
        bounds: (least, most) possible value; None is unbounded, in a file ``"inf"``.
        needs: what prediction and clip must have; the rest gives ``not_applicable``.
        weights: ids in hoibench/weights that it loads.
        presets: ``paper`` (a column of the paper's tables), ``offline`` (no downloaded weights); ``all`` holds every metric.
        regions: ``full``, ``fg`` or both.
        ranked: whether it may order methods; secondary metrics are shown only.
        companion, stillness: rules of ranking that hold for this metric, None where they do not.
        source, implementation, deviations, failure: where the definition comes from, what computes it, how it differs, where it misleads.
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
        """The group's name on the page."""
        return GROUPS[self.group].title

    @property
    def group_place(self) -> int:
        """The group's place on the page."""
        return list(GROUPS).index(self.group)

    @property
    def families(self) -> tuple[str, ...]:
        """The families that are ranked by this metric, see ``Group``."""
        return GROUPS[self.group].families

    def load(self) -> Callable[..., Iterable[Any]]:
        """Import the metric's function: it takes a ``Case`` and yields ``Measurement``s."""
        function: Callable[..., Iterable[Any]] = load_object(self.entry)
        return function


@lru_cache(maxsize=1)
def all_cards() -> dict[str, Card]:
    """Every registered card by id, in file order; a file may hold several under ``[[card]]``.

    Raises:
        ValueError: two cards share an id, or a file is wrong; names file, key and value.
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
