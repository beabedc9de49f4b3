"""The small bar in a cell: a column's interval and mean on a scale that the column's rows share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hoibench.results.cells import Cell

WIDTH = 76.0
_MARGIN = 4.0


@dataclass(frozen=True)
class Scale:
    """The values at a bar's left and right end."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value stands, in SVG units; outside the scale it stops at the edge."""
        share = (value - self.low) / (self.high - self.low)
        return round(_MARGIN + min(max(share, 0.0), 1.0) * (WIDTH - 2 * _MARGIN), 1)


@dataclass(frozen=True)
class Bar:
    """SVG coordinates of a mean and its interval; ``beyond`` is ``low`` or ``high`` where the mean lies off the scale."""

    low: float
    mean: float
    high: float
    beyond: str | None

    @property
    def width(self) -> float:
        """Length of the interval."""
        return round(self.high - self.low, 1)


def scale_of(cells: Sequence[Cell]) -> Scale | None:
    """The scale that holds every interval of the cells, or None where nothing differs."""
    ends = [end for cell in cells for end in _ends(cell)]
    if not ends or min(ends) == max(ends):
        return None
    return Scale(min(ends), max(ends))


def bar(cell: Cell, scale: Scale | None) -> Bar | None:
    """The bar of a cell, or None without a value or a scale."""
    if scale is None or cell.value is None:
        return None
    low, high = min(_ends(cell)), max(_ends(cell))
    beyond = "low" if cell.value < scale.low else "high" if cell.value > scale.high else None
    return Bar(scale.place(low), scale.place(cell.value), scale.place(high), beyond)


def _ends(cell: Cell) -> Iterable[float]:
    if cell.value is None:
        return ()
    return (cell.value,) if cell.interval is None else (cell.interval.low, cell.value, cell.interval.high)
