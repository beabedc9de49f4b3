"""Measured results of the rows of Tables 3 and 4, and their paired comparisons with the full model and with their neighbours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from hoibench.results.board import Board
from hoibench.results.comparison import quantity
from hoibench.results.confidence_intervals import cluster_sums
from hoibench.results.power import clusters_needed
from hoibench.results.significance import MIN_CLUSTERS, PairedTest, compare_pairs
from reference_model.ablations.rows import ROWS, Row

Verdict = Literal["better", "worse", "not separable", "not judged"]
METHOD = "syncmv4d"
FULL = "full"


@dataclass(frozen=True)
class TableColumn:
    """A column of our tables.

    Attributes:
        metric: name of the metric, without version.
        region: the region, ``full`` or ``fg``.
        title: its title in tables.
        paper: title of the paper's column that it stands for; empty for one that the paper lacks.
    """

    metric: str
    region: str
    title: str
    paper: str


COLUMNS = (
    TableColumn("matching_pixels_rel/sift-mnn", "fg", "matching pixels, of the truth's", "Mat. Pix."),
    TableColumn("matching_pixels/sift-mnn", "full", "matching pixels", "Mat. Pix."),
    TableColumn("mv_rpe_scene", "full", "multi-view RPE, %", "RPE"),
    TableColumn("chamfer", "full", "Chamfer distance, m", ""),
    TableColumn("motion_following", "full", "motion following", ""),
)
"""The columns: those of the paper, the Chamfer distance, and how far tracks follow the true motion, since standing still may be near the truth."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of a row with another one in a column; the difference is the row's minus the other's.

    Attributes:
        difference, low, high: difference of the means over clips, with its 95 % interval: of values, or of absolute log ratios to the truth.
        p: p-value, corrected for all comparisons of its table and column.
        by_training: the difference in each training alone, for trainings that have both rows.
        verdict: the row is better or worse than the other if the test separates them and the sign is the same in each training; not judged if a
            value of one of them is misleading, or not to be ranked.
        clips_needed: number of clips that would separate them in 80 % of tables; None if more than were tried, or if it cannot be estimated.
    """

    difference: float
    low: float
    high: float
    p: float
    by_training: tuple[float, ...]
    verdict: Verdict
    clips_needed: int | None


@dataclass(frozen=True)
class Entry:
    """The result of a row in a column.

    Attributes:
        value: mean over clips, sampling seeds and trainings; None without one.
        status: ``ok``, or the reason why there is no value.
        unjudged: the reason why the value is misleading by a rule of the metric's card, or not ranked, or None.
        coverage: mean share of true points that have a prediction; None for metrics of videos.
    """

    value: float | None
    status: str
    unjudged: str | None
    coverage: float | None


def find_column(board: Board, column: TableColumn) -> int | None:
    """Return the index of a board's column, None if the board lacks it."""
    return next(
        (
            n
            for n, each in enumerate(board.columns)
            if each.card.id.partition("@")[0] == column.metric and each.region == column.region
        ),
        None,
    )


def find_rows(board: Board, base: str) -> dict[str, list[int]]:
    """Return for each row of the tables the indices of its board rows, one for each training.

    The rows are those of the first training; a training that lacks one of them is left out, so that all rows are means over the same trainings.
    """
    prefix = f"{METHOD}+{base}-"
    runs: dict[Path, dict[str, int]] = {run.folder: {} for run in board.runs}
    for m, row in enumerate(board.rows):
        if row.method.key.startswith(prefix) and (name := row.method.key.removeprefix(prefix)) in ROWS:
            runs[row.run.folder][name] = m
    names = [name for name in ROWS if name in next(iter(runs.values()))]
    complete = [found for found in runs.values() if found.keys() >= set(names)]
    return {name: [found[name] for found in complete] for name in names}


def read_entry(board: Board, indices: Sequence[int], n: int) -> Entry:
    """Return the result of a row in column ``n``, the mean over its trainings.

    Args:
        board: the board of all trainings.
        indices: the board rows of its trainings.
        n: index of the column.
    """
    cells = [board.cells[m, n] for m in indices]
    unjudged = next((reason for m in indices if (reason := _why_not_judged(board, m, n))), None)
    coverages = [cell.conditions.coverage for cell in cells if cell.conditions.coverage is not None]
    coverage = float(np.mean(coverages)) if coverages else None
    values = [cell.value for cell in cells if cell.value is not None]
    if len(values) < len(cells):
        status = next(cell.status for cell in cells if cell.value is None)
        return Entry(None, status.replace("_", " "), None, coverage)
    return Entry(float(np.mean(values)), "ok", unjudged, coverage)


def training_spread(board: Board, indices: Sequence[int], n: int) -> float | None:
    """Return by how much the means of a row's trainings in column ``n`` differ at most, in the quantity of its comparisons; None without two."""
    mean = "value" if quantity(board.columns[n].card) == "value" else "order"
    values = [value for m in indices if (value := getattr(board.cells[m, n], mean)) is not None]
    return max(values) - min(values) if len(values) > 1 else None


def pairs_with_full(rows: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs (row, full) of the rows other than full, if full is one of them."""
    rows = list(rows)
    return [(name, FULL) for name in rows if name != FULL] if FULL in rows else []


def pairs_with_neighbours(rows: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs (row, neighbour) of rows that have their neighbour among them."""
    rows = list(rows)
    return [(name, ROWS[name].neighbour) for name in rows if ROWS[name].neighbour in rows]


def compare(
    board: Board, indices: Mapping[str, Sequence[int]], n: int, pairs: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], Comparison]:
    """Compare pairs of rows in column ``n`` on the clips that both have; costs are averaged over trainings first.

    Args:
        board: the board of all trainings.
        indices: the board rows of each row's trainings, from ``find_rows``.
        n: index of the column.
        pairs: names of the rows; the p-values are corrected for those that can be compared.

    Returns:
        The comparison of each pair that shares a clip.
    """
    scores = board.scores[n]
    places = {name: place for place, name in enumerate(indices)}
    answered = scores.is_answered[:, None]
    cost, present = _average(scores.cost, scores.has_cost & answered, indices)
    own_cost, has_own = _average(scores.own_cost, scores.has_own_cost, indices)
    chosen = [(places[one], places[other]) for one, other in pairs]
    shared = [bool((present[:, i] & present[:, j]).any()) for i, j in chosen]
    named = [pair for pair, is_shared in zip(pairs, shared, strict=True) if is_shared]
    chosen = [pair for pair, is_shared in zip(chosen, shared, strict=True) if is_shared]
    tests = compare_pairs(cost, present, board.cluster_labels, own_cost, has_own, pairs=chosen)
    needed = _clips_needed(cost, present, board, chosen)
    sign = -1.0 if board.columns[n].card.direction == "higher" else 1.0
    return {
        pair: _comparison(
            test,
            sign,
            sign * _by_training(board, indices, n, pair),
            clips,
            is_judged=not any(_why_not_judged(board, m, n) for name in pair for m in indices[name]),
        )
        for pair, test, clips in zip(named, tests, needed, strict=True)
    }


def paper_ordering(comparison: Comparison, one: float, other: float, *, higher_is_better: bool) -> str:
    """Return whether the paper's ordering of two rows is ``confirmed``, ``contradicted``, ``not separable`` or ``not judged`` here.

    Args:
        comparison: the comparison of the first row with the second.
        one: the paper's number of the first row.
        other: that of the second.
        higher_is_better: whether the paper's larger number is the better one.
    """
    if comparison.verdict in ("not separable", "not judged"):
        return comparison.verdict
    paper_says: Verdict = "better" if (one > other) == higher_is_better else "worse"
    return "confirmed" if comparison.verdict == paper_says else "contradicted"


def rows_of_table(number: int, rows: Iterable[str]) -> list[Row]:
    """Return the rows of one of the paper's tables among the given ones, in the order of the tables."""
    return [ROWS[name] for name in rows if number in ROWS[name].tables]


def _average(
    values: np.ndarray, mask: np.ndarray, indices: Mapping[str, Sequence[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Average (M, C) values over the trainings of each of J rows; return (C, J) means and whether all trainings have a value."""
    means = np.stack([np.where(mask[list(m)], values[list(m)], 0.0).mean(axis=0) for m in indices.values()], axis=1)
    present = np.stack([mask[list(m)].all(axis=0) for m in indices.values()], axis=1)
    return np.where(present, means, 0.0), present


def _why_not_judged(board: Board, m: int, n: int) -> str | None:
    """Return why a value is misleading or not ranked; a metric that is never ranked on these clips is judged here, if the paper's column is."""
    cell, card = board.cells[m, n], board.columns[n].card
    is_ranked = card.is_ranked and (card.ranked_with_truth or cell.conditions.truth is None)
    return cell.grey or (cell.standing.unranked if is_ranked else None)


def _by_training(board: Board, indices: Mapping[str, Sequence[int]], n: int, pair: tuple[str, str]) -> np.ndarray:
    """Return the mean difference in cost in each run (training) that has both rows, (T,)."""
    scores = board.scores[n]
    one, other = ({board.rows[m].run.folder: m for m in indices[name]} for name in pair)
    differences = []
    for folder in one.keys() & other.keys():
        i, j = one[folder], other[folder]
        both = scores.has_cost[i] & scores.has_cost[j]
        if both.any():
            differences.append((folder, (scores.cost[i] - scores.cost[j])[both].mean()))
    return np.array([difference for _, difference in sorted(differences)])


def _comparison(
    test: PairedTest, sign: float, by_training: np.ndarray, clips_needed: int | None, *, is_judged: bool
) -> Comparison:
    low, high = sorted((sign * test.low, sign * test.high))
    agree = len(set(np.sign(by_training))) == 1
    verdict: Verdict = "not separable" if is_judged else "not judged"
    if is_judged and test.is_separated and agree:
        verdict = "better" if test.difference < 0 else "worse"
    return Comparison(
        difference=sign * test.difference + 0.0,
        low=low,
        high=high,
        p=test.p,
        by_training=tuple(float(each) for each in by_training),
        verdict=verdict,
        clips_needed=clips_needed,
    )


def _clips_needed(
    cost: np.ndarray, present: np.ndarray, board: Board, pairs: Sequence[tuple[int, int]]
) -> list[int | None]:
    """Return for each pair how many clips would separate it; None for all if a pair shares too few clusters for an estimate."""
    both = np.stack([present[:, i] & present[:, j] for i, j in pairs], axis=1) if pairs else np.zeros((0, 0))
    member = np.unique(board.cluster_labels, return_inverse=True)[1]
    if not pairs or np.count_nonzero(cluster_sums(both.astype(float), member), axis=0).min() < MIN_CLUSTERS:
        return [None] * len(pairs)
    return [needed.clips for needed in clusters_needed(cost, present, board.cluster_labels, pairs=pairs)]
