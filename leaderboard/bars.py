"""Bars in the cells of a leaderboard table: the mean and its confidence interval, on a scale that all rows of a column share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hoibench.reference_rows import FROZEN, GROUND_TRUTH
from hoibench.results.board import Board
from hoibench.results.cells import Cell

WIDTH = 76.0
_MARGIN = 4.0


@dataclass(frozen=True)
class BarScale:
    """The scale of a column's bars: the values at their left and right end."""

    low: float
    high: float

    def share(self, value: float) -> float:
        """Return the place of a value between the ends of the scale, 0 to 1."""
        return (value - self.low) / (self.high - self.low)

    def to_x(self, value: float) -> float:
        """Return the x coordinate of a value in SVG units."""
        return round(_MARGIN + self.share(value) * (WIDTH - 2 * _MARGIN), 1)


@dataclass(frozen=True)
class Bar:
    """A cell's bar as SVG x coordinates of the mean and of the ends of its interval."""

    low: float
    mean: float
    high: float

    @property
    def width(self) -> float:
        """The length of the interval in SVG units."""
        return round(self.high - self.low, 1)


def column_scale(board: Board, column: int) -> BarScale | None:
    """Return the smallest scale that contains the means and intervals of the methods in a column and the means of the truth and of its first frame.

    Without a method that has a value, or if all are equal, there is no scale.
    """
    rows = [(row, board.cells[m, column]) for m, row in enumerate(board.rows)]
    methods = [end for row, cell in rows if row.role == "ranked" for end in _ends(cell)]
    references = [
        cell.value for row, cell in rows if row.method.id in (GROUND_TRUTH, FROZEN) and cell.value is not None
    ]
    ends = [*methods, *references] if methods else []
    return BarScale(min(ends), max(ends)) if ends and min(ends) < max(ends) else None


def draw_bar(cell: Cell, scale: BarScale | None) -> Bar | None:
    """Return the bar of a cell that the scale contains, or None if the cell has no value or ``scale`` is None."""
    if scale is None or cell.value is None:
        return None
    low, high = min(_ends(cell)), max(_ends(cell))
    return Bar(scale.to_x(low), scale.to_x(cell.value), scale.to_x(high))


def _ends(cell: Cell) -> Iterable[float]:
    if cell.value is None:
        return ()
    interval = cell.value_interval
    return (cell.value,) if interval is None else (interval.low, cell.value, interval.high)
