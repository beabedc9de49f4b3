"""Cells of a board (leaderboard table): a mean with its interval and standing, or a status with the reason why there is no value."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.metric_card import Card
from hoibench.results.clip_scores import ClipScores
from hoibench.results.companions import CompanionScores, why_grey, why_withheld
from hoibench.results.confidence_intervals import Interval, failure_interval
from hoibench.results.ranking import (
    ScoringConditions,
    Standing,
    rank_column,
    ranking_class,
    why_unranked,
)
from hoibench.results.run_record import RunMethod
from hoibench.results.significance import PairedTest

_CONDITION_COLUMNS = [
    "board_row",
    "clip_index",
    "status",
    "reason",
    "pairing",
    "alignment",
    "coverage",
    "truth",
    "details",
]


@dataclass(frozen=True)
class Cell:
    """The result of one board row (method) on one metric in one region.

    Attributes:
        status: ``ok``; without a value ``failed`` if a clip failed, else ``withheld`` by a rule, ``missing`` without results, or the commonest.
        reason: why there is no value; None if there is one.
        value: mean over clips, with the cap for failed seeds (see ``clip_scores``); None unless ``status`` is ``ok``.
        interval: confidence interval of the mean over answered clips; None without one, see ``mean_intervals``.
        answered: number of clips with a value of the method's own, not only the cap.
        failed: number of clips without an answer from any seed.
        failure_interval: confidence interval of the share of clips that fail, (low, high); None if no clip was answered or failed.
        n_expected: number of clips of the board.
        failed_seeds, all_seeds: number of failed seeds, and of seeds, summed over clips.
        value_over_answered: mean over the answered clips without the failed seeds, if failures scored the cap; else None.
        seeds: number of seeds of the clip with the fewest.
        seed_deviation: standard deviation of the values of a clip's seeds, pooled over clips; None without two answered seeds of a clip.
        standing: rank in the column, or the reason why there is none.
        grey: the reason why the value is misleading, greyed and not ranked (see ``companions``), or None.
        conditions: the conditions of scoring, e.g. pairing and coverage.
        ratio_factor: for a ratio metric, the geometric mean of the factors by which clips differ from the truth, 1 to 20; else None.
        truth_distance: for a metric whose target is the truth's value, the mean distance from it; else None.
        detail: the mean over answered clips of the ratio to the truth or of the truth's value, for a metric ranked by it; else None.
        pairing_floor: the mean over clips of the value of the truth itself, paired as the prediction is; None if pairing is exact.
        order: sort key: lower is better, or the value itself for a metric that is not ranked; None sorts last.
    """

    status: str
    reason: str | None
    value: float | None
    interval: Interval | None
    answered: int
    failed: int
    failure_interval: tuple[float, float] | None
    n_expected: int
    failed_seeds: int
    all_seeds: int
    value_over_answered: float | None
    seeds: int
    seed_deviation: float | None
    standing: Standing
    grey: str | None
    conditions: ScoringConditions
    ratio_factor: float | None
    truth_distance: float | None
    detail: float | None
    pairing_floor: float | None
    order: float | None

    @property
    def value_interval(self) -> Interval | None:
        """The confidence interval of ``value``: that over answered clips if no seed failed, else None."""
        return None if self.failed_seeds else self.interval


@dataclass(frozen=True, eq=False)
class ColumnContext:
    """The parts of the board, other than a column's own results, that the rules for ranking and greying a column depend on.

    Attributes:
        methods: the methods of the M board rows.
        deterministic: for each of them, whether one seed is enough, see ``BoardRow.is_deterministic``.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
        reference_index: row index of each reference row by method id.
        companions: the rules on the column's companion metrics, with their scores.
    """

    methods: Sequence[RunMethod]
    deterministic: Sequence[bool]
    clusters: Array
    reference_index: Mapping[str, int]
    companions: Sequence[CompanionScores]


def fill_column(
    card: Card,
    region: str,
    results: pd.DataFrame,
    scores: ClipScores,
    intervals: Sequence[Interval | None],
    context: ColumnContext,
) -> tuple[list[Cell], tuple[PairedTest, ...]]:
    """Return the cells of one column, one for each of the M board rows, and the comparisons of its ranked rows, see ``ColumnRanking``.

    Args:
        card: the column's metric.
        region: the column's region.
        results: the column's headline results, as given to ``clip_scores``.
        scores: the column's scores per row and clip, from ``clip_scores``.
        intervals: M intervals, from ``column_intervals``.
        context: the parts of the rest of the board that matter.
    """
    methods = context.methods
    results_of = dict(iter(results[_CONDITION_COLUMNS].groupby("board_row")))
    own = [results_of.get(m, results.iloc[:0]) for m in range(len(methods))]
    conditions = [_conditions(part) for part in own]
    withheld = [_first(why_withheld(rule, m) for rule in context.companions) for m in range(len(methods))]
    grey = [
        _first(why_grey(rule, m, context.reference_index) for rule in context.companions) for m in range(len(methods))
    ]
    unranked = [
        withheld[m]
        or why_unranked(
            methods[m], card, region, scores, m, conditions[m], _errors(own[m]),
            is_deterministic=context.deterministic[m],
        )
        or grey[m]
        for m in range(len(methods))
    ]  # fmt: skip
    classes = [ranking_class(method, card, given) for method, given in zip(methods, conditions, strict=True)]
    ranking = rank_column(scores, classes, unranked, context.clusters)
    cells = []
    for m in range(len(methods)):
        if withheld[m] or not scores.is_answered[m]:
            cells.append(_empty_cell(own[m], scores, m, withheld[m], conditions[m]))
        else:
            floor = _pairing_floor(own[m])
            cells.append(
                _value_cell(card, scores, m, intervals[m], ranking.standings[m], grey[m], conditions[m], floor)
            )
    return cells, ranking.tests


def _value_cell(
    card: Card,
    scores: ClipScores,
    m: int,
    interval: Interval | None,
    standing: Standing,
    grey: str | None,
    conditions: ScoringConditions,
    pairing_floor: float | None,
) -> Cell:
    value = _mean(scores.value[m], scores.has_value[m])
    cost = _mean(scores.cost[m], scores.has_cost[m])
    own_value = _mean(scores.own_value[m], scores.has_own_value[m])
    return Cell(
        status="ok",
        reason=None,
        value=value,
        interval=interval,
        **_counts(scores, m),
        value_over_answered=own_value if scores.capped[m] and scores.failed_seeds[m].any() else None,
        seeds=int(scores.seeds[m][scores.seeds[m] > 0].min(initial=2**31 - 1)),
        seed_deviation=_seed_deviation(scores, m),
        standing=standing,
        grey=grey,
        conditions=conditions,
        ratio_factor=math.exp(cost) if card.direction == "ratio" and cost is not None else None,
        truth_distance=cost if card.direction == "truth_distance" else None,
        detail=_mean(scores.own_detail[m], scores.has_own_cost[m])
        if card.direction in ("ratio", "truth_distance")
        else None,
        pairing_floor=pairing_floor,
        order=value if card.direction == "none" else cost,
    )


def _empty_cell(
    results: pd.DataFrame, scores: ClipScores, m: int, withheld: str | None, conditions: ScoringConditions
) -> Cell:
    status, reason = ("withheld", withheld) if withheld and scores.is_answered[m] else _why_empty(results, scores, m)
    return Cell(
        status=status,
        reason=reason,
        value=None,
        interval=None,
        **_counts(scores, m),
        value_over_answered=None,
        seeds=0,
        seed_deviation=None,
        standing=Standing(unranked=reason),
        grey=None,
        conditions=conditions,
        ratio_factor=None,
        truth_distance=None,
        detail=None,
        pairing_floor=None,
        order=None,
    )


def _counts(scores: ClipScores, m: int) -> dict[str, Any]:
    """Return the fields of a cell that count clips and seeds."""
    answered = int(scores.has_own_value[m].sum())
    failed = int(((scores.failed_seeds[m] > 0) & ~scores.has_own_value[m]).sum())
    return {
        "answered": answered,
        "failed": failed,
        "failure_interval": failure_interval(failed, answered + failed) if answered + failed else None,
        "n_expected": scores.value.shape[1],
        "failed_seeds": int(scores.failed_seeds[m].sum()),
        "all_seeds": int(scores.seeds[m].sum()),
    }


def _seed_deviation(scores: ClipScores, m: int) -> float | None:
    """Return the standard deviation between the seeds of a clip, pooled over clips; None if no clip has two answered seeds."""
    spare = (scores.seeds - scores.failed_seeds)[m] - 1
    several = spare > 0
    if not several.any():
        return None
    return math.sqrt(float((spare * scores.seed_variance[m])[several].sum() / spare[several].sum()))


def _why_empty(results: pd.DataFrame, scores: ClipScores, m: int) -> tuple[str, str]:
    """Return the status and the commonest reason of a row without any value; one clip that failed makes it ``failed``."""
    has_failed = scores.failed_seeds[m] > 0
    if has_failed.any():
        on_failed = results[has_failed[results["clip_index"]] & results["status"].isin(["failed", "undefined"])]
        return "failed", _commonest_reason(on_failed)[1]
    # Failures of a method to which the metric never applies are not failures on this metric.
    return _commonest_reason(results[results["status"] != "failed"])


def _commonest_reason(results: pd.DataFrame) -> tuple[str, str]:
    if results.empty:
        return "missing", "the run has no results of this metric"
    counts = results.groupby(["status", "reason"], dropna=False).size().sort_values(ascending=False, kind="stable")
    status, reason = counts.index[0]
    return str(status), str(reason)


def _conditions(results: pd.DataFrame) -> ScoringConditions:
    ok = results[results["status"] == "ok"]
    coverage = np.sort(
        ok["coverage"].dropna().to_numpy(dtype=np.float64)
    )  # rounding must not depend on the order of rows
    truths = sorted(ok["truth"].dropna().unique())
    return ScoringConditions(
        pairing=_common_value(ok["pairing"]),
        alignment=_common_value(ok["alignment"]),
        truth="proxy-hand" if "proxy-hand" in truths else next(iter(truths), None),
        coverage=float(coverage.mean()) if len(coverage) else None,
    )


def _pairing_floor(results: pd.DataFrame) -> float | None:
    inexact = results[(results["status"] == "ok") & results["pairing"].isin(["anchor", "oracle-projection"])]
    floors = inexact["details"].map(lambda text: json.loads(text).get("pairing_floor")).astype(np.float64)
    of_clips = floors.sort_values().groupby(inexact["clip_index"]).mean().dropna()
    return float(of_clips.mean()) if len(of_clips) else None


def _common_value(column: pd.Series[Any]) -> str | None:
    values = column.dropna().unique()
    return "mixed" if len(values) > 1 else next(iter(values), None)


def _errors(results: pd.DataFrame) -> int:
    """Return the number of clips on which scoring raised an error."""
    return int(results.loc[results["status"] == "error", "clip_index"].nunique())


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((reason for reason in reasons if reason), None)


def _mean(values: Array, mask: Array) -> float | None:
    return float(values[mask].mean()) if mask.any() else None
