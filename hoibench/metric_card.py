"""Metric cards: descriptions of metrics, read from TOML files without importing the metrics' code."""

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
METRIC_SETS = ("paper", "offline", "all")

_VIDEO = ("i2v", "i2vm", "v2v")
_MOTION = ("ito4g", "vto4r")


@dataclass(frozen=True)
class Group:
    """A group of metrics, shown as neighbouring columns of the leaderboard page.

    Attributes:
        title: the title above the columns.
        families: the families of methods (kinds by input and output, e.g. ``i2v``, image to video) that are ranked in this group.  A method competes
            as the first of its own families that is listed: one model may be ``i2vm`` for its videos and ``ito4g`` for its motion.
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
"""Groups by id, in the order of the leaderboard page; ``other`` also has the metrics without a registered card."""


class Companion(Record):
    """A second metric, measured against the truth, without which a card's own metric is misleading.

    The card's values of a method without a value of the companion are withheld.  A method with a worse value of the companion than the true video's
    first frame, repeated (reference row ``frozen``), is not ranked.

    Attributes:
        metric: the companion's metric id.
        why: a short reason for the leaderboard page.
    """

    metric: str
    why: str


class Stillness(Record):
    """The rule for a metric on which a still video scores well: values of methods that move less than half as much as the truth are greyed.

    Attributes:
        motion: ids of metrics that measure the amount of motion, higher for more.  The rule uses one that has results, in the same region if
            possible, then the one listed first.
    """

    motion: tuple[str, ...]


class Card(Record):
    """The description of one metric.

    Attributes:
        id: the metric's id with a version, e.g. ``matching_pixels/sift-mnn@1``; a change of the value needs a new id.
        entry: ``module:function`` of the function that computes the metric: it takes a ``Case`` (a prediction and its clip) and yields
            ``Measurement``s, the value of the whole clip last.
        title, unit, formula: texts for the leaderboard page.
        group: id in ``GROUPS``.
        direction: ``lower`` or ``higher`` is better; ``ratio``: nearer to the truth is better, by |log(details["ratio"])| of the measurement;
            ``none``: never ranked.
        bounds: (smallest, largest) possible value; None is unbounded, in a file ``"inf"`` or ``"-inf"``.
        needs: required inputs from the prediction (``video``, ``tracks``), the clip (``cameras``) or its truth (``truth.video``, ...); if one is
            missing, the metric's status is ``not_applicable``.
        weights: ids of the weight files that the metric's networks load, see ``hoibench.weights``.
        sets: metric sets that include this metric: ``paper`` (the columns of the paper's tables), ``offline`` (no downloaded weights).
        regions: the scored regions: ``full`` (the full frame), ``fg`` (the foreground: hands and objects) or both.
        ranked: false for a secondary metric, which is shown but never ranked.
        companion, stillness: rules that withhold or grey misleading values (see these classes); None if they do not apply.
        source, implementation: the origin of the definition, and the code that computes it.
        deviations, failure: differences from the source, and a known failure of the metric.
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
    sets: tuple[Literal["paper", "offline"], ...] = ()
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
        """The title of the metric's group, e.g. ``Motion, single view``."""
        return GROUPS[self.group].title

    @property
    def group_index(self) -> int:
        """The index of the metric's group in ``GROUPS``, which is the order of the leaderboard page."""
        return list(GROUPS).index(self.group)

    @property
    def families(self) -> tuple[str, ...]:
        """The families of methods that are ranked by this metric, e.g. ``i2v``; see ``Group``."""
        return GROUPS[self.group].families

    def load(self) -> Callable[..., Iterable[Any]]:
        """Import and return the metric's function (``entry``), which takes a ``Case`` and yields ``Measurement``s."""
        function: Callable[..., Iterable[Any]] = load_object(self.entry)
        return function


@lru_cache(maxsize=1)
def all_cards() -> dict[str, Card]:
    """Read the cards of all metrics, built-in and from plug-ins (entry points ``hoibench.metrics``), and return them by id, in file order.

    A TOML file is one card, or has several under ``[[card]]``.

    Raises:
        ValueError: two cards share an id, or a file is invalid; the message names file, key and value.
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
    """Return the cards of the named metrics, each once, in the order of ``all_cards``.

    Args:
        names: metric ids, with or without version, or metric sets: ``paper``, ``offline`` or ``all``.

    Raises:
        UnknownName: a name matches no card; the message has the nearest names.
    """
    cards = all_cards()
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(cards)
        elif name in METRIC_SETS:
            chosen.update(card.id for card in cards.values() if name in card.sets)
        else:
            matching = [key for key in cards if name in (key, key.rpartition("@")[0])]
            if not matching:
                raise UnknownName("metric", name, [*cards, *METRIC_SETS])
            chosen.update(matching)
    return [card for key, card in cards.items() if key in chosen]
