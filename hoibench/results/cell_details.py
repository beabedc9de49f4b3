"""The numbers behind a cell of a board as named texts, the same on the leaderboard page and on the terminal."""

from __future__ import annotations

import math
import shlex

from hoibench.metric_card import Direction
from hoibench.results.board import Board, Column
from hoibench.results.board_rows import BoardRow
from hoibench.results.cells import Cell
from hoibench.results.significance import PairedTest
from hoibench.text import count


def cell_details(cell: Cell, column: Column) -> tuple[tuple[str, str], ...]:
    """Return (name, text) pairs: mean, interval, failures, seeds, and the comparison with the leader of the class; empty without results."""
    if cell.value is None:
        return ()
    card, standing = column.card, cell.standing
    unit = f" {card.unit}" if card.unit not in ("", "1") else ""
    interval = cell.interval
    over = "answered clips" if cell.failed_seeds else "clips"
    return tuple(
        (name, text)
        for name, text in (
            ("mean", f"{cell.value:.6g}{unit}"),
            ("mean over answered clips", _number(cell.value_over_answered, unit)),
            (
                f"95 % interval over {over}",
                interval
                and f"{interval.low:.6g} to {interval.high:.6g} "
                f"({count(interval.clusters, 'object pair')}, {interval.degrees_of_freedom:.3g} degrees of freedom)",
            ),
            ("mean ratio to the truth", _number(cell.detail, "") if card.direction == "ratio" else None),
            ("mean of the truth", _number(cell.detail, unit) if card.direction == "truth_distance" else None),
            ("floor of the pairing", _number(cell.pairing_floor, f"{unit} (the truth itself, paired in the same way)")),
            ("geometric mean factor to the truth", _number(cell.ratio_factor, "")),
            ("mean distance from the truth", _number(cell.truth_distance, unit)),
            ("clips", f"{cell.answered} answered, {cell.failed} failed{_share(cell)}; {cell.n_expected} on the board"),
            ("failed seeds", f"{cell.failed_seeds} of {cell.all_seeds}" if cell.failed_seeds else None),
            ("seeds per clip", str(cell.seeds)),
            ("deviation between seeds", _number(cell.seed_deviation, unit)),
            ("worse than the leader", standing.to_leader and describe_difference(standing.to_leader, card.direction)),
            ("not ranked", standing.unranked),
        )
        if text
    )


def show_command(board: Board, row: BoardRow, column: Column) -> str:
    """Return the command that prints a cell's numbers, run in the folder that holds the run folders."""
    runs = [run.record.name for run in board.runs]
    flags = ["--method", row.method.key, "--metrics", column.card.id, "--region", column.region]
    return shlex.join(["hoibench", "show", *runs, *flags, *(["--paper"] if board.is_paper else [])])


def describe_difference(test: PairedTest, direction: Direction) -> str:
    """Return a paired difference of costs in words, with its interval and p-value; a factor for a ratio metric."""
    low, high = (describe_cost(end, direction) for end in (test.low, test.high))
    ends = f" ({low} to {high})" if low and high else ""
    extent = f"{count(test.clips, 'clip')} of {count(test.clusters, 'object pair')}"
    return f"{describe_cost(test.difference, direction)}{ends}, p = {test.p:.2g}, {extent}"


def describe_cost(cost: float | None, direction: Direction) -> str:
    """Return a difference of costs as text: for a ratio metric, where costs are logarithms, as a factor; empty for None and NaN."""
    if cost is None or math.isnan(cost):
        return ""
    return f"×{math.exp(cost):.4g}" if direction == "ratio" else f"{cost:.4g}"


def _number(value: float | None, unit: str) -> str | None:
    return None if value is None else f"{value:.6g}{unit}"


def _share(cell: Cell) -> str:
    if cell.failure_interval is None:
        return ""
    low, high = cell.failure_interval
    return f" (95 % interval of the failure rate: {100 * low:.3g} to {100 * high:.3g} %)"
