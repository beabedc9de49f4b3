"""Clips to look at: each method's worst one, the clips on which methods differ most, and the comparisons of all pairs, for the primary columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hoibench.results.board import Board
from hoibench.results.cell_text import column_decimals, format_cost, format_number
from hoibench.results.notable_clips import NotableClip, method_disagreements, worst_clip
from hoibench.results.significance import PairedTest
from leaderboard.headline import column_title
from leaderboard.payloads import clip_address, clip_id, row_keys
from leaderboard.text import sanitize

MAX_METHODS = 12
"""Methods beyond these have no line of their own; a class with more has no table of pairs."""


@dataclass(frozen=True)
class ClipLink:
    """A clip that is worth a look: its id, the address of its page, and the values that make it notable, with their means in words."""

    clip: str
    href: str
    value: str
    note: str


@dataclass(frozen=True)
class PairCell:
    """The comparison of two methods in one column: the name of the one ahead, by how much with its interval, and whether a test separates the two."""

    ahead: str
    difference: str
    is_separated: bool


@dataclass(frozen=True)
class Highlights:
    """The clips to look at and the compared pairs of a board.

    Attributes:
        columns: titles of the primary columns.
        worst: (method, a clip or None for each column).
        disputed: a clip or None for each column, on which two methods differ most.
        pairs: (one method, the other, a comparison or None for each column).
    """

    columns: tuple[str, ...]
    worst: tuple[tuple[str, tuple[ClipLink | None, ...]], ...]
    disputed: tuple[ClipLink | None, ...]
    pairs: tuple[tuple[str, str, tuple[PairCell | None, ...]], ...]


def highlights(board: Board, number: int) -> Highlights | None:
    """Return the highlights of board ``number`` of the site (from 1); None without primary columns or methods."""
    columns = board.primary_columns
    methods = board.methods[:MAX_METHODS]
    if not columns or not methods:
        return None
    return Highlights(
        columns=tuple(column_title(board, n) for n in columns),
        worst=tuple((_label(board, m), tuple(_worst(board, number, n, m) for n in columns)) for m in methods),
        disputed=tuple(_disputed(board, number, n) for n in columns),
        pairs=_pairs(board, columns),
    )


def _worst(board: Board, number: int, n: int, m: int) -> ClipLink | None:
    found, mean, decimals = worst_clip(board, n, m), board.cells[m, n].value, column_decimals(board, n)
    if found is None or mean is None:
        return None
    value = format_number(found.values[0], decimals) if found.values else "failed"
    return _link(board, number, found, value, f"mean {format_number(mean, decimals)}")


def _disputed(board: Board, number: int, n: int) -> ClipLink | None:
    found = method_disagreements(board, n, 1)
    if not found:
        return None
    decimals = column_decimals(board, n)
    values = [
        f"{sanitize(label, 60)} {format_number(value, decimals)}"
        for label, value in zip(found[0].rows, found[0].values, strict=True)
    ]
    return _link(board, number, found[0], ", ".join(values), "")


def _link(board: Board, number: int, found: NotableClip, value: str, note: str) -> ClipLink:
    keys = dict(zip((row.label for row in board.rows), row_keys(board), strict=True))
    href = clip_address(number, found.clip, [keys[label] for label in found.rows])
    return ClipLink(clip_id(found.clip), href, value, note)


def _pairs(board: Board, columns: Sequence[int]) -> tuple[tuple[str, str, tuple[PairCell | None, ...]], ...]:
    """Return the comparisons of all pairs of methods that were tested in a primary column; none if there are too many methods."""
    tests = {n: {(test.first, test.second): test for test in board.tests[n]} for n in columns}
    pairs = sorted({pair for found in tests.values() for pair in found})
    if len({m for pair in pairs for m in pair}) > MAX_METHODS:
        return ()
    return tuple(
        (
            _label(board, i),
            _label(board, j),
            tuple(_compare(board, n, test) if (test := tests[n].get((i, j))) else None for n in columns),
        )
        for i, j in pairs
    )


def _compare(board: Board, n: int, test: PairedTest) -> PairCell:
    """Return a comparison in words: how much lower the cost of the one ahead is; for a ratio metric, whose costs are logarithms, a factor."""
    ahead = test if test.difference <= 0 else test.reversed()
    direction, decimals = board.columns[n].card.direction, column_decimals(board, n)
    texts = [
        format_cost(cost, direction, decimals)
        for cost in (-ahead.difference, -ahead.high, -ahead.low)
        if not math.isnan(cost)
    ]
    difference = f"{texts[0]} ({texts[1]} to {texts[2]})" if len(texts) == 3 else "".join(texts)
    return PairCell(_label(board, ahead.first), difference, test.is_separated)


def _label(board: Board, m: int) -> str:
    return sanitize(board.rows[m].label, 60)
