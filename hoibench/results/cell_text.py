"""Texts of cells and columns, the same on the page and in the terminal: failures, regions, and numbers in a common precision."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hoibench.metric_card import Direction
from hoibench.results.board import Board
from hoibench.results.cells import Cell
from hoibench.results.confidence_intervals import Interval

REGION_NAMES = {"full": "full frame", "fg": "foreground"}
_MAX_DECIMALS = 6


def failure_text(cell: Cell) -> str:
    """Return ``failed 0/6`` for a cell without any answered clip, ``2 of 6 failed`` for one with some, and an empty text without failures."""
    if not cell.failed:
        return ""
    return f"{cell.failed} of {cell.n_expected} failed" if cell.answered else f"failed 0/{cell.n_expected}"


def with_region(title: str, region: str, usual: str) -> str:
    """Return the title of a metric with the name of a region behind it, unless that is the usual one.

    >>> with_region("RPE", "fg", usual="full")
    'RPE, foreground'
    """
    return title if region == usual else f"{title}, {REGION_NAMES.get(region, region)}"


def choose_decimals(values: Iterable[float]) -> int:
    """Return the number of decimals (0 to 6) that shows the median absolute value with three digits; zeros are ignored.

    >>> choose_decimals([5.1, 7.7, 41.0]), choose_decimals([0.0131])
    (2, 4)
    """
    sizes = sorted(abs(value) for value in values if value and math.isfinite(value))
    if not sizes:
        return 0
    return max(0, min(_MAX_DECIMALS, 2 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def column_decimals(board: Board, column: int) -> int:
    """Return the number of decimals of all numbers of a column: the one that suits its methods, or its reference rows if no method has a value."""
    values = {
        is_reference: [
            cell.value
            for m, row in enumerate(board.rows)
            if (row.method.kind == "reference") == is_reference and (cell := board.cells[m, column]).value is not None
        ]
        for is_reference in (False, True)
    }
    return choose_decimals(values[not any(values[False])])


def format_number(value: float, decimals: int) -> str:
    """Return ``value`` as text with this number of decimals; of one that would round to zero, the bound is given that it does not reach.

    >>> format_number(5.126, 2), format_number(0.0004, 2), format_number(-0.0004, 2), format_number(0, 2)
    ('5.13', '<0.01', '>−0.01', '0')
    """
    if not value:
        return "0"
    shown = f"{value:.{decimals}f}"
    if not float(shown):
        shown = f"{'<' if value > 0 else '>-'}{10.0**-decimals:.{decimals}f}"
    return shown.replace("-", "\N{MINUS SIGN}")


def format_interval(interval: Interval, decimals: int) -> str:
    """Return the ends of an interval with this number of decimals."""
    return f"{format_number(interval.low, decimals)} – {format_number(interval.high, decimals)}"


def format_cost(cost: float, direction: Direction, decimals: int) -> str:
    """Return a difference of costs with this number of decimals; for a ratio metric, whose costs are logarithms, the factor with three digits."""
    return f"×{math.exp(cost):.3g}" if direction == "ratio" else format_number(cost, decimals)
