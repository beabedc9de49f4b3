"""The recorded self-test of metrics in the form that the page shows: which corruptions of the truth each metric sees, is blind to, or rewards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hoibench.metric_card import GROUPS, Card
from hoibench.metrics.self_test_record import (
    ClipValues,
    CorruptionOutcome,
    MetricOutcomes,
    RegionOutcomes,
    SelfTest,
    read_self_test,
)
from hoibench.results.cell_text import choose_decimals, format_number
from hoibench.text import count
from leaderboard.text import sanitize

MARKS = {"sees": "●", "blind": "○", "rewards": "▲", "undefined": "–"}


@dataclass(frozen=True)
class SelfTestCell:
    """The outcome of one corruption for one metric.

    Attributes:
        outcome: ``sees``, ``blind``, ``rewards`` or ``undefined``; empty if the corruption changes no input of the metric.
        mark: a sign for the outcome.
        value: the metric's mean value under the corruption, as text.
        greyed_by: ids of the companions whose rule the corruption breaks, so that the value would not be ranked.
    """

    outcome: str
    mark: str
    value: str
    greyed_by: str


@dataclass(frozen=True)
class SelfTestRow:
    """One metric in one region.

    Attributes:
        title, id, unit: those of the metric's card; the unit is empty for a number without one.
        card: number of the metric's card on the page.
        region: ``full`` or ``fg``.
        is_ranked: true if methods are ranked by the metric.
        truth: the metric's mean value for the uncorrupted truth, as text.
        cells: one for each corruption.
    """

    title: str
    id: str
    unit: str
    card: int
    region: str
    is_ranked: bool
    truth: str
    cells: tuple[SelfTestCell, ...]


@dataclass(frozen=True)
class SelfTestView:
    """The self-test as a matrix of metrics and corruptions.

    Attributes:
        clips: on which clips it was measured, in words.
        summary: how many ranked metrics reward a corruption, in words.
        corruptions: (name, what it changes) of each corruption.
        groups: (title, rows) of each group of metrics.
        not_measured: (metric id, reason) of the metrics without an outcome.
    """

    clips: str
    summary: str
    corruptions: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, tuple[SelfTestRow, ...]], ...]
    not_measured: tuple[tuple[str, str], ...]


def build_self_test_view(cards: Mapping[str, Card], card_numbers: Mapping[str, int]) -> SelfTestView:
    """Return the recorded self-test of some metrics in the form that the page shows.

    Args:
        cards: the metrics' descriptions by id.
        card_numbers: number of each metric's card on the page, by metric id.
    """
    record = read_self_test()
    outcomes = {id: record.metrics.get(id, MetricOutcomes(not_measured="it has no record")) for id in cards}
    rows = {
        group.title: tuple(
            _row(card, card_numbers[card.id], region, found, record)
            for card in sorted(cards.values(), key=lambda card: not card.is_ranked)
            if card.group == id
            for region, found in outcomes[card.id].regions.items()
        )
        for id, group in GROUPS.items()
    }
    return SelfTestView(
        clips=f"{count(len(record.clips), 'clip')} of {record.truth} ({record.split})",
        summary=_summarize(row for members in rows.values() for row in members if row.is_ranked),
        corruptions=tuple(record.corruptions.items()),
        groups=tuple((title, members) for title, members in rows.items() if members),
        not_measured=tuple(
            (sanitize(id, 80), sanitize(found.not_measured or "no region was measured", 200))
            for id, found in outcomes.items()
            if not found.regions
        ),
    )


def _row(card: Card, number: int, region: str, found: RegionOutcomes, record: SelfTest) -> SelfTestRow:
    means = [mean for values in (found.truth, *found.corruptions.values()) if (mean := _mean(values)) is not None]
    decimals = choose_decimals(means)
    return SelfTestRow(
        title=sanitize(card.title, 60),
        id=sanitize(card.id, 80),
        unit="" if card.unit == "1" else sanitize(card.unit, 20),
        card=number,
        region=region,
        is_ranked=card.is_ranked,
        truth=_mean_text(found.truth, decimals),
        cells=tuple(_cell(found.corruptions.get(name), decimals) for name in record.corruptions),
    )


def _cell(found: CorruptionOutcome | None, decimals: int) -> SelfTestCell:
    if found is None:
        return SelfTestCell("", "", "", "")
    return SelfTestCell(found.outcome, MARKS[found.outcome], _mean_text(found, decimals), ", ".join(found.greyed_by))


def _mean(scores: ClipValues) -> float | None:
    values = [value for value in scores.values if value is not None]
    return sum(values) / len(values) if values else None


def _mean_text(scores: ClipValues, decimals: int) -> str:
    """Return the mean of the values with the decimals of its row; empty if there is none."""
    mean = _mean(scores)
    return "" if mean is None else format_number(mean, decimals)


def _summarize(rows: Iterable[SelfTestRow]) -> str:
    rewards = [(row, cell) for row in rows for cell in row.cells if cell.outcome == "rewards"]
    metrics = {row.id for row, _ in rewards}
    greyed = sum(bool(cell.greyed_by) for _, cell in rewards)
    if not rewards:
        return "No ranked metric rewards one of them."
    return (
        f"{count(len(metrics), 'ranked metric')} {'rewards' if len(metrics) == 1 else 'reward'} a corruption, in {count(len(rewards), 'case')}; "
        f"in {greyed} of these a companion metric greys the value, so that it ranks nobody."
    )
