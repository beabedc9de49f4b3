"""Comparisons of chosen methods on every metric: paired differences with intervals and p-values, one line per metric and pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from hoibench.metric_card import Card
from hoibench.results.board import Board, Column
from hoibench.results.cell_text import failure_text
from hoibench.results.ranking import compare_rows, ranking_class


def find_rows(board: Board, names: Sequence[str]) -> list[int]:
    """Return the indices of the board's rows that ``names`` choose, in the given order, each once.

    Args:
        board: a board of the named runs.
        names: ``RUN`` (a run's folder: all its methods but the reference rows) or ``RUN:METHOD`` (one method or reference row).

    Raises:
        ValueError: a run lacks the named method, or fewer than two rows are chosen; the message lists what the run has.
    """
    chosen: list[int] = []
    for name in names:
        folder, method = split_name(name)
        mine = [
            n
            for n, row in enumerate(board.rows)
            if row.run.folder == folder
            or (row.method.kind == "reference" and _has_method(board, folder, row.method.key))
        ]
        if method is None:
            chosen += [n for n in mine if board.rows[n].method.kind != "reference"]
            continue
        found = [n for n in mine if board.rows[n].method.key == method]
        if not found:
            keys = ", ".join(board.rows[n].method.key for n in mine)
            raise ValueError(f"{folder} has no method {method!r}; it has {keys}")
        chosen += found
    chosen = list(dict.fromkeys(chosen))
    if len(chosen) < 2:
        keys = ", ".join(row.method.key for row in board.rows)
        raise ValueError(
            f"{' '.join(names)}: fewer than two methods to compare; name another run, or two rows as RUN:METHOD out of {keys}"
        )
    return chosen


def split_name(name: str) -> tuple[Path, str | None]:
    """Split ``RUN`` or ``RUN:METHOD`` into the run's folder and the method's key or None."""
    folder, colon, method = name.rpartition(":")
    return (Path(folder), method) if colon and not Path(name).is_dir() else (Path(name), None)


def ranked_columns(board: Board, metrics: Sequence[str], region: str) -> list[int]:
    """Return the indices of the columns of ranked metrics in a region, or of the given metrics (ids with or without version).

    Raises:
        ValueError: a given metric has no column with an order in the region, or none has; the message lists those that have.
    """
    found = {board.columns[n].card.id: n for n in board.columns_in(region) if board.columns[n].card.direction != "none"}
    chosen = {id for id in found for metric in metrics if metric in (id, id.partition("@")[0])}
    unknown = [metric for metric in metrics if not any(metric in (id, id.partition("@")[0]) for id in found)]
    if unknown or not found:
        regions = ", ".join(board.regions)
        raise ValueError(
            f"no column {unknown[0] if unknown else 'with an order'} in region {region} (regions: {regions}); "
            f"columns that can be compared: {', '.join(found) or 'none'}"
        )
    return [n for id, n in found.items() if (id in chosen if metrics else board.columns[n].card.is_ranked)]


def compare_methods(board: Board, rows: Sequence[int], columns: Sequence[int]) -> pd.DataFrame:
    """Compare every pair of rows on every column, with p-values that are corrected for all pairs of a column.

    Returns:
        One line per column and pair. The means (over the clips that both have, a failed clip at the cap), their ``difference``, its interval
        ``low`` to ``high`` and the smallest ``separable`` difference are of ``quantity``: the value of a metric that is better when lower or
        higher, else the distance from the truth by which it is ranked. ``first`` and ``second`` are the two methods, ``failures_first`` and
        ``failures_second`` their failures as in their cells, ``better`` is the one that is separated as better, or empty; ``note`` says why the
        page does not rank the two against each other.
    """
    lines = []
    for n in columns:
        column, scores = board.columns[n], board.scores[n]
        sign = -1.0 if column.card.direction == "higher" else 1.0
        for test in compare_rows(scores, rows, board.cluster_labels):
            i, j = rows[test.first], rows[test.second]
            ends = sorted((sign * test.low, sign * test.high))
            winner = i if test.difference < 0 else j
            both = scores.has_cost[i] & scores.has_cost[j] & scores.is_answered[i] & scores.is_answered[j]
            means = [sign * scores.cost[m][both].mean() + 0.0 if both.any() else math.nan for m in (i, j)]
            lines.append(
                {
                    "metric": column.card.id,
                    "region": column.region,
                    "unit": column.card.unit,
                    "quantity": quantity(column.card),
                    "primary": column.card.primary,
                    "first": board.rows[i].label,
                    "second": board.rows[j].label,
                    "failures_first": failure_text(board.cells[i, n]),
                    "failures_second": failure_text(board.cells[j, n]),
                    "mean_first": means[0],
                    "mean_second": means[1],
                    "difference": sign * test.difference + 0.0,
                    "low": ends[0],
                    "high": ends[1],
                    "p": test.p,
                    "separable": test.separable,
                    "better": board.rows[winner].label if test.is_separated else "",
                    "clips": test.clips,
                    "clusters": test.clusters,
                    "note": _why_not_ranked(board, column, n, i, j),
                }
            )
    return pd.DataFrame(lines)


def quantity(card: Card) -> str:
    """Return the name of the quantity whose means are compared: ``value``, ``abs. log ratio`` or ``distance to the truth``."""
    return {"ratio": "abs. log ratio", "truth_distance": "distance to the truth"}.get(card.direction, "value")


def _has_method(board: Board, folder: Path, key: str) -> bool:
    return any(run.folder == folder and key in {m.key for m in run.record.methods} for run in board.runs)


def _why_not_ranked(board: Board, column: Column, n: int, i: int, j: int) -> str:
    for m in (i, j):
        if board.cells[m, n].status == "failed":
            return f"{board.rows[m].label}: no value, {failure_text(board.cells[m, n])}: {board.cells[m, n].reason}"
        if reason := board.cells[m, n].grey or board.cells[m, n].standing.unranked:
            return f"{board.rows[m].label}: {reason}"
    one, other = (ranking_class(board.rows[m].method, column.card, board.cells[m, n].conditions) for m in (i, j))
    return "" if one == other else f"classes differ: {', '.join(one)} against {', '.join(other)}"
