"""Metric cards: descriptions of metrics, read from TOML files without importing the metrics' code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from hoibench.card_templates import fill_templates
from hoibench.plugins import UnknownName, load_object, read_specs
from hoibench.store.records import Record, parse_record

Need = Literal["video", "tracks", "cameras", "truth.video", "truth.tracks", "truth.masks", "truth.objects"]
Direction = Literal["lower", "higher", "ratio", "truth_distance", "none"]
METRIC_SETS = ("paper", "headline", "offline", "interaction", "all")

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
    "interaction": Group("Hands and objects", _MOTION),
    "other": Group("Other", ()),
}
"""Groups by id, in the order of the leaderboard page; ``other`` also has the metrics without a registered card."""


class Companion(Record):
    """A rule on a second metric, without which a card's own metric is misleading: a cell of a method that breaks the rule is greyed and not ranked.

    A rule holds for every method if no method has results of the companion; then a method without results breaks it.

    Attributes:
        metric: the companion's metric id.
        why: a short reason for the leaderboard page.
        region: the companion's region, ``full`` or ``fg``; None for the region of the card's own column, or another if it has none there.
        at_least, at_most: the smallest and the largest allowed mean over clips.
        ratio_to_truth: (low, high): the mean divided by that of reference row ``ground_truth``; None, in a file ``"inf"``, is unbounded.
        not_worse_than: id of a reference row, e.g. ``frozen``, than which the method must not be worse on the companion.
        required: true to withhold the card's values of a method without a value of the companion.
    """

    metric: str
    why: str
    region: Literal["full", "fg"] | None = None
    at_least: float | None = None
    at_most: float | None = None
    ratio_to_truth: tuple[float, float | None] | None = None
    not_worse_than: str | None = None
    required: bool = False

    @field_validator("ratio_to_truth", mode="before")
    @classmethod
    def _unbounded(cls, ends: Any) -> Any:
        return _read_infinity(ends)

    @model_validator(mode="after")
    def _check(self) -> Self:
        rules = (self.at_least, self.at_most, self.ratio_to_truth, self.not_worse_than)
        if not self.required and all(rule is None for rule in rules):
            raise ValueError("a companion needs at_least, at_most, ratio_to_truth, not_worse_than or required")
        return self


class Card(Record):
    """The description of one metric.

    Attributes:
        id: the metric's id with a version, e.g. ``matching_pixels/sift-mnn@2``; a change of the value needs a new id.
        entry: ``module:function`` of the function that computes the metric: it takes a ``Case`` (a prediction and its clip) and yields
            ``Measurement``s, the value of the whole clip last.
        arguments: further arguments of the function by name, e.g. that of a matcher.
        title, unit, formula: texts for the leaderboard page.
        group: id in ``GROUPS``.
        direction: ``lower`` or ``higher`` is better; ``ratio``: nearer to the truth is better, by |log clip(details["ratio"], 1/20, 20)| of the
            measurement; ``truth_distance``: the same by |value - details["truth"]|; ``none``: never ranked.
        cap: the score of a prediction without an answer on a clip, in the value's unit (for ``truth_distance`` the distance): a number,
            ``scene_size`` (RMS distance of the clip's true points to their centroid, m) or ``diagonal`` (10 % of the image diagonal, px).  The
            number of metres or pixels is in the column ``cap`` of result rows.  Every ranked metric has one.
        bounds: (smallest, largest) possible value; None is unbounded, in a file ``"inf"`` or ``"-inf"``.
        needs: required inputs from the prediction (``video``, ``tracks``), the clip (``cameras``) or its truth (``truth.video``, ...); if one is
            missing, the metric's status is ``not_applicable``.
        weights: ids of the weight files that the metric's networks load, see ``hoibench.weights``.
        sets: metric sets that include this metric: ``paper`` (the columns of the paper's tables), ``offline`` (no downloaded weights),
            ``interaction`` (contact, shape and place of the objects).  The set ``headline`` has the ranked metrics and their companions.
        regions: the scored regions: ``full`` (the full frame), ``fg`` (the foreground: hands and objects) or both.
        ranked: false for a secondary metric, which is shown but never ranked.
        ranked_with_truth: false for a metric that is ranked only on clips without truth, where no better one is defined.
        primary: true for one of the few metrics by which methods are compared, declared in advance; the other ranked metrics are exploratory.
        companions: rules that grey or withhold misleading values.
        source, implementation: the origin of the definition, and the code that computes it.
        deviations, failure: differences from the source, and a known failure of the metric.
    """

    id: str
    entry: str
    title: str
    group: Literal[
        "video/single-view", "video/multi-view", "motion/single-view", "motion/multi-view", "interaction", "other"
    ]
    unit: str
    direction: Direction
    formula: str
    source: str
    arguments: dict[str, str] = Field(default_factory=dict)
    cap: float | Literal["scene_size", "diagonal"] | None = None
    bounds: tuple[float | None, float | None] = (None, None)
    needs: tuple[Need, ...] = ()
    weights: tuple[str, ...] = ()
    sets: tuple[Literal["paper", "offline", "interaction"], ...] = ()
    regions: tuple[Literal["full", "fg"], ...] = ("full",)
    ranked: bool = True
    ranked_with_truth: bool = True
    primary: bool = False
    companions: tuple[Companion, ...] = ()
    implementation: str = ""
    deviations: str = ""
    failure: str = ""

    @field_validator("bounds", mode="before")
    @classmethod
    def _unbounded(cls, ends: Any) -> Any:
        return _read_infinity(ends)

    @model_validator(mode="after")
    def _check_ranking(self) -> Self:
        if self.is_ranked and self.cap is None:
            raise ValueError(
                f"{self.id} is ranked and has no cap: give the score of a prediction without an answer, or ranked = false"
            )
        if self.primary and not self.is_ranked:
            raise ValueError(f"{self.id} is primary but not ranked")
        return self

    @property
    def is_ranked(self) -> bool:
        """True if methods are ranked by this metric: it is not secondary, and it has a direction."""
        return self.ranked and self.direction != "none"

    @property
    def all_sets(self) -> tuple[str, ...]:
        """The names of the sets that the metric is in: ``sets``, and headline if it is ranked."""
        return (*self.sets, "headline") if self.is_ranked else self.sets

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
        """Import the metric's function (``entry``), and return it with its ``arguments``: it takes a ``Case`` and yields ``Measurement``s."""
        return partial(load_object(self.entry), **self.arguments)


def _read_infinity(ends: Any) -> Any:
    """Replace ``"inf"`` and ``"-inf"`` in a pair of ends by None."""
    return tuple(None if end in ("inf", "-inf") else end for end in ends) if isinstance(ends, list | tuple) else ends


@lru_cache(maxsize=1)
def all_cards() -> dict[str, Card]:
    """Read the cards of all metrics, built-in and from plug-ins (entry points ``hoibench.metrics``), and return them by id, in file order.

    A TOML file is one card, or has several under ``[[card]]``, which may be templates (``hoibench.card_templates``).

    Raises:
        ValueError: two cards share an id, a template has a $key without a value, or a file is invalid; the message names file, key and value.
    """
    cards: dict[str, Card] = {}
    for where, table, _ in read_specs("hoibench.metrics"):
        for entry in fill_templates(table, where):
            card = parse_record(Card, entry, where)
            if card.id in cards:
                raise ValueError(f"{where}: metric {card.id} is already registered; choose another id")
            cards[card.id] = card
    return cards


def select_cards(names: Iterable[str]) -> list[Card]:
    """Return the cards of the named metrics, each once, in the order of ``all_cards``.

    Args:
        names: metric ids, with version or without (then the newest), or metric sets, one of ``METRIC_SETS``.

    Raises:
        UnknownName: a name matches no card; the message has the nearest names.
    """
    cards = all_cards()
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen.update(cards)
        elif name == "headline":
            ranked = [card for card in cards.values() if card.is_ranked]
            chosen.update(card.id for card in ranked)
            chosen.update(other.metric for card in ranked for other in card.companions if other.metric in cards)
        elif name in METRIC_SETS:
            chosen.update(card.id for card in cards.values() if name in card.sets)
        else:
            matching = [key for key in cards if name in (key, key.rpartition("@")[0])]
            if not matching:
                raise UnknownName("metric", name, [*cards, *METRIC_SETS])
            chosen.add(max(matching, key=lambda key: int(key.rpartition("@")[2])))
    return [card for key, card in cards.items() if key in chosen]
