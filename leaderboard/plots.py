"""Dot-and-interval plots: one for each primary column, with all methods on one scale, and the truth and its first frame repeated as lines."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hoibench.metrics.card_text import DIRECTIONS
from hoibench.reference_rows import FROZEN, GROUND_TRUTH
from hoibench.results.board import Board
from hoibench.results.cell_text import column_decimals, failure_text, format_interval, format_number
from hoibench.results.cells import Cell
from leaderboard.bars import BarScale, column_scale
from leaderboard.headline import column_title
from leaderboard.text import sanitize

MAX_ROWS = 16
MARGIN = 2.0
"""Percent of a plot's width that is left free at each side."""


@dataclass(frozen=True)
class PlotRow:
    """A method in a plot.

    Attributes:
        label: the method's name.
        low, mean, high: its mean and the ends of its interval in percent of the plot's width; None without a value.
        mark: ``leader``, ``tied``, ``unranked`` or empty.
        text, interval: the mean, or why there is none, and the interval.
    """

    label: str
    low: float | None
    mean: float | None
    high: float | None
    mark: str
    text: str
    interval: str


@dataclass(frozen=True)
class Plot:
    """The plot of one column.

    Attributes:
        title, unit, direction: the column's title, its unit, and which values are better.
        ticks: (place in percent, text) of the numbers below the plot.
        truth, frozen: places of the reference rows' means in percent; None for one without a value.
        rows: the methods.
    """

    title: str
    unit: str
    direction: str
    ticks: tuple[tuple[float, str], ...]
    truth: float | None
    frozen: float | None
    rows: tuple[PlotRow, ...]


def draw_plots(board: Board) -> tuple[Plot, ...]:
    """Return a plot for each primary column with values that differ; the methods of all plots are the same, at most ``MAX_ROWS``."""
    methods = _choose_methods(board)
    scales = [(n, column_scale(board, n)) for n in board.primary_columns]
    return tuple(_draw(board, n, scale, methods) for n, scale in scales if scale is not None and methods)


def _choose_methods(board: Board) -> list[int]:
    """Return the rows of the methods; if there are too many, those with the best place in any primary column."""
    methods = board.methods
    places = {m: len(methods) for m in methods}
    for n in board.primary_columns:
        order = {m: cost for m in methods if (cost := board.cells[m, n].order) is not None}
        for place, m in enumerate(sorted(order, key=order.__getitem__)):
            places[m] = min(places[m], place)
    return sorted(sorted(methods, key=places.__getitem__)[:MAX_ROWS])


def _draw(board: Board, n: int, scale: BarScale, methods: list[int]) -> Plot:
    card, decimals = board.columns[n].card, column_decimals(board, n)
    reference = {row.method.id: board.cells[m, n].value for m, row in enumerate(board.rows) if row.role != "ranked"}

    def line(id: str) -> float | None:
        value = reference.get(id)
        return None if value is None else _place(scale, value)

    return Plot(
        title=column_title(board, n),
        unit=sanitize(card.unit, 20),
        direction=DIRECTIONS[card.direction],
        ticks=tuple((_place(scale, value), text) for value, text in axis_ticks(scale.low, scale.high)),
        truth=line(GROUND_TRUTH),
        frozen=line(FROZEN),
        rows=tuple(_row(board.cells[m, n], sanitize(board.rows[m].label, 60), scale, decimals) for m in methods),
    )


def _row(cell: Cell, label: str, scale: BarScale, decimals: int) -> PlotRow:
    if cell.value is None:
        return PlotRow(label, None, None, None, "", failure_text(cell) or "–", "")
    interval, standing = cell.value_interval, cell.standing
    low, high = (interval.low, interval.high) if interval else (cell.value, cell.value)
    return PlotRow(
        label=label,
        low=_place(scale, min(low, cell.value)),
        mean=_place(scale, cell.value),
        high=_place(scale, max(high, cell.value)),
        mark="unranked" if standing.unranked else standing.mark,
        text=format_number(cell.value, decimals),
        interval=format_interval(interval, decimals) if interval else "",
    )


def axis_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return two to five round numbers between two values, with their texts.

    >>> axis_ticks(0.0131, 0.049)
    [(0.02, '0.02'), (0.03, '0.03'), (0.04, '0.04')]
    """
    size = 10.0 ** math.floor(math.log10(high - low))
    step = next(step for step in (size / 5, size / 2, size, 2 * size, 5 * size) if (high - low) / step <= 4)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    return [(n * step, f"{n * step:.{decimals}f}".replace("-", "\N{MINUS SIGN}")) for n in numbers]


def _place(scale: BarScale, value: float) -> float:
    return round(MARGIN + scale.share(value) * (100 - 2 * MARGIN), 2)
