"""Cells of a board: a number with its interval, its count and its standing, or a word and the reason why there is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hoibench.metric_card import Card
from hoibench.reference_rows import FROZEN, GROUND_TRUTH
from hoibench.results.ranking import (
    Handling,
    Standing,
    rank_class,
    short_name,
    standings,
    why_companion_forbids,
    why_grey,
    why_unranked,
)
from hoibench.results.run_record import RunMethod
from hoibench.results.scores import ClipScores
from hoibench.results.statistics import Interval, mean_intervals

Array = NDArray[Any]


@dataclass(frozen=True)
class Cell:
    """One entrant on one metric in one region.

    Attributes:
        status: ``ok``; the status of most clips where there is no number; ``missing`` without any row; ``withheld`` where a rule forbids showing it.
        reason: why there is no number.
        value: mean over clips, a failed clip counting as its stand-in; None unless ``status`` is ``ok``.
        interval: of that mean; None under 2 clips.
        n_scored, n_expected: clips with a number of their own, and clips on the board.
        failures: clips of which a seed failed.
        without_failures: the mean of the clips' own numbers, where failures took stand-ins and a number is left.
        seeds: fewest seeds of a clip.
        standing: place in the ranking, or why there is none.
        grey: why the number says little.
        handling: pairing, alignment, truth and coverage behind it.
        off_ratio: for a ratio metric, by what factor it is typically off the truth.
        order: what to sort by, lower is better; None sorts last.
    """

    status: str
    reason: str | None
    value: float | None
    interval: Interval | None
    n_scored: int
    n_expected: int
    failures: int
    without_failures: float | None
    seeds: int
    standing: Standing
    grey: str | None
    handling: Handling
    off_ratio: float | None
    order: float | None


@dataclass(frozen=True, eq=False)
class Context:
    """What a column's rules look up elsewhere on the board.

    Attributes:
        methods: M methods.
        clusters: (C,) object-instance labels.
        references: entrant index of each reference row, by method id.
        companion: scores of the column's companion metric, None where the board has none.
        motion: the metric that tells how much a row moves, with its scores, for a column that standing still would earn; else None.
    """

    methods: Sequence[RunMethod]
    clusters: Array
    references: Mapping[str, int]
    companion: ClipScores | None
    motion: tuple[Card, ClipScores] | None


def fill_column(
    metric: Card,
    region: str,
    rows: pd.DataFrame,
    scores: ClipScores,
    bounds: Sequence[Interval | None],
    context: Context,
) -> list[Cell]:
    """The M cells of one column.

    Args:
        metric: the column's metric.
        region: the column's region.
        rows: its headline rows, as ``gather`` takes them.
        scores: what ``gather`` made of them.
        bounds: M intervals, see ``intervals``.
        context: the rest of the board.
    """
    methods = context.methods
    by_entrant = dict(iter(rows.groupby("entrant")))
    own = [by_entrant.get(m, rows.iloc[:0]) for m in range(len(methods))]
    handlings = [_handling(part) for part in own]
    withheld = [_withheld(metric, context, m) for m in range(len(methods))]
    unranked = [
        withheld[m] or _why_unranked(metric, region, own[m], scores, context, m, handlings[m])
        for m in range(len(methods))
    ]
    classes = [rank_class(method, metric, handling) for method, handling in zip(methods, handlings, strict=True)]
    places = standings(scores, classes, unranked, context.clusters)
    return [
        _empty(own[m], scores, m, withheld[m], handlings[m])
        if withheld[m] or not scores.present[m].any()
        else _number(metric, scores, m, bounds[m], places[m], _grey(context, m), handlings[m])
        for m in range(len(methods))
    ]


def intervals(columns: Sequence[ClipScores], clusters: Array) -> list[list[Interval | None]]:
    """The interval of every cell, columns first; all columns share one bootstrap."""
    if not columns:
        return []
    values = np.concatenate([scores.value for scores in columns]).T
    present = np.concatenate([scores.present for scores in columns]).T
    found = mean_intervals(values, present, clusters)
    width = len(found) // len(columns)
    return [found[n * width : (n + 1) * width] for n in range(len(columns))]


def _number(
    metric: Card,
    scores: ClipScores,
    m: int,
    interval: Interval | None,
    standing: Standing,
    grey: str | None,
    handling: Handling,
) -> Cell:
    value = _mean(scores.value[m], scores.present[m])
    badness = _mean(scores.badness[m], scores.comparable[m])
    clean = _mean(scores.clean[m], scores.scored[m])
    ratio = metric.direction == "ratio" and badness is not None
    return Cell(
        status="ok",
        reason=None,
        value=value,
        interval=interval,
        n_scored=int(scores.scored[m].sum()),
        n_expected=scores.value.shape[1],
        failures=int(scores.failed[m].sum()),
        without_failures=clean if scores.stood_in[m] and scores.failed[m].any() else None,
        seeds=int(scores.seeds[m][scores.seeds[m] > 0].min(initial=2**31 - 1)),
        standing=standing,
        grey=grey,
        handling=handling,
        off_ratio=math.exp(badness) if ratio and badness is not None else None,
        order=value if metric.direction == "none" else badness,
    )


def _empty(rows: pd.DataFrame, scores: ClipScores, m: int, withheld: str | None, handling: Handling) -> Cell:
    status, reason = ("withheld", withheld) if withheld and scores.present[m].any() else _most_common_gap(rows)
    return Cell(
        status=status,
        reason=reason,
        value=None,
        interval=None,
        n_scored=0,
        n_expected=scores.value.shape[1],
        failures=int(scores.failed[m].sum()),
        without_failures=None,
        seeds=0,
        standing=Standing(unranked=reason),
        grey=None,
        handling=handling,
        off_ratio=None,
        order=None,
    )


def _most_common_gap(rows: pd.DataFrame) -> tuple[str, str]:
    if rows.empty:
        return "missing", "the run holds no row of it"
    counted = rows.groupby(["status", "reason"], dropna=False).size().sort_values(ascending=False, kind="stable")
    status, reason = counted.index[0]
    return str(status), str(reason)


def _handling(rows: pd.DataFrame) -> Handling:
    ok = rows[rows["status"] == "ok"]
    coverage = ok["coverage"].mean()
    truths = set(ok["truth"].dropna())
    return Handling(
        pairing=_only(ok["pairing"]),
        alignment=_only(ok["alignment"]),
        truth="proxy-hand" if "proxy-hand" in truths else next(iter(truths), None),
        coverage=None if pd.isna(coverage) else float(coverage),
    )


def _only(column: pd.Series[Any]) -> str | None:
    words = set(column.dropna())
    return "mixed" if len(words) > 1 else next(iter(words), None)


def _withheld(metric: Card, context: Context, m: int) -> str | None:
    if metric.companion is None or (context.companion is not None and context.companion.comparable[m].any()):
        return None
    return f"never shown without {short_name(metric.companion.metric)}, which this row lacks: {metric.companion.why}"


def _why_unranked(
    metric: Card,
    region: str,
    rows: pd.DataFrame,
    scores: ClipScores,
    context: Context,
    m: int,
    handling: Handling,
) -> str | None:
    errors = rows.loc[rows["status"] == "error", "clip_index"].nunique()
    reason = why_unranked(context.methods[m], metric, region, scores, m, handling, errors)
    if reason is None and metric.companion is not None:
        return why_companion_forbids(metric.companion, context.companion, m, context.references.get(FROZEN))
    return reason


def _grey(context: Context, m: int) -> str | None:
    truth = context.references.get(GROUND_TRUTH)
    if context.motion is None or truth is None:
        return None
    metric, scores = context.motion
    own, true = (_mean(scores.clean[n], scores.scored[n]) for n in (m, truth))
    return why_grey(metric, own, true)


def _mean(values: Array, mask: Array) -> float | None:
    return float(values[mask].mean()) if mask.any() else None
