"""Texts of a cell, the same on the page and in the terminal: its failures, and numbers in a common precision."""

from __future__ import annotations

import math
from collections.abc import Iterable

from hoibench.results.cells import Cell

_MAX_DECIMALS = 6


def failure_text(cell: Cell) -> str:
    """Return ``failed 0/6`` for a cell without any answered clip, ``2 of 6 failed`` for one with some, and an empty text without failures."""
    if not cell.failed:
        return ""
    return f"{cell.failed} of {cell.n_expected} failed" if cell.answered else f"failed 0/{cell.n_expected}"


def choose_decimals(values: Iterable[float]) -> int:
    """Return the number of decimals (0 to 6) that shows the median absolute value with four digits; zeros are ignored.

    >>> choose_decimals([5.1, 7.7, 41.0]), choose_decimals([0.0131])
    (3, 5)
    """
    sizes = sorted(abs(value) for value in values if value)
    if not sizes:
        return 0
    return max(0, min(_MAX_DECIMALS, 3 - math.floor(math.log10(sizes[len(sizes) // 2]))))


def format_number(value: float, decimals: int) -> str:
    """Return ``value`` as text with this number of decimals; one that would round to zero is written in scientific notation.

    >>> format_number(5.126, 2), format_number(0.0004, 2), format_number(0, 2)
    ('5.13', '4e−04', '0')
    """
    if not value:
        return "0"
    shown = f"{value:.{decimals}f}"
    if not float(shown):
        shown = f"{value:.0e}"
    return shown.replace("-", "\N{MINUS SIGN}")
