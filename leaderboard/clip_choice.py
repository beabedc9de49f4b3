"""The clips of a board whose videos the site shows: a typical one for the strip on the first page, the most notable ones, and a fixed sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np

from hoibench.results.board import Board
from hoibench.results.notable_clips import method_disagreements, worst_clips


@dataclass(frozen=True)
class TypicalClip:
    """The clip on which a row's cost in a column is the median of its clips.

    Attributes:
        clip, row, column: indices in the board.
        is_leader: True if the row leads the column; else it is the board's first method with values.
        answered: number of clips on which the row has a value.
    """

    clip: int
    row: int
    column: int
    is_leader: bool
    answered: int


def main_column(board: Board) -> int | None:
    """Return the index of the column by which the site chooses clips and methods: the first primary one, else the first with a direction."""
    columns = [n for n, column in enumerate(board.columns) if column.card.direction != "none"]
    primary = [n for n in columns if board.columns[n].card.primary]
    return next(iter(primary or columns), None)


def rank_methods(board: Board, column: int) -> list[int]:
    """Return the indices of the methods with values in a column: its leader, then by mean cost over the clips."""
    scores = board.scores[column]
    methods = [m for m, row in enumerate(board.rows) if row.role == "ranked" and scores.has_own_cost[m].any()]
    mean = {m: scores.cost[m][scores.has_cost[m]].mean() for m in methods}
    return sorted(methods, key=lambda m: (not board.cells[m, column].standing.is_leader, mean[m], m))


def typical_clip(board: Board) -> TypicalClip | None:
    """Return the clip on which the leader's cost in the main column is the median (the lower one of two); None without a method with values."""
    column = main_column(board)
    methods = [] if column is None else rank_methods(board, column)
    if column is None or not methods:
        return None
    row, scores = methods[0], board.scores[column]
    clips = np.flatnonzero(scores.has_own_cost[row])
    order = clips[np.argsort(scores.own_cost[row][clips], kind="stable")]
    is_leader = board.cells[row, column].standing.is_leader
    return TypicalClip(int(order[(len(order) - 1) // 2]), row, column, is_leader, len(order))


def choose_clips(board: Board, count: int) -> tuple[int, ...]:
    """Return the indices of up to ``count`` clips whose videos the site shows, in the board's order.

    The typical clip comes first, then up to half of them are those on which a method is worst, or methods differ most, in the primary columns; the
    rest are drawn by a fixed shuffle, which does not depend on the other clips of the board.
    """
    if len(board.clips) <= count:
        return tuple(range(len(board.clips)))
    typical = typical_clip(board)
    first = [typical.clip] if typical else []
    notable = islice(_notable(board, count), count // 2)
    shuffled = sorted(range(len(board.clips)), key=lambda c: hashlib.sha256(board.clips[c].id.encode()).digest())
    return tuple(sorted(list(dict.fromkeys([*first, *notable, *shuffled]))[:count]))


def _notable(board: Board, count: int) -> Iterator[int]:
    """Yield the indices of distinct clips: the worst of each primary column, the most disputed of each, the second worst, and so on."""
    index = {clip.id: c for c, clip in enumerate(board.clips)}
    columns = [n for n, column in enumerate(board.columns) if column.card.primary]
    lists = [find(board, n, count) for find in (worst_clips, method_disagreements) for n in columns]
    found = (index[clip.clip] for rank in zip_longest(*lists) for clip in rank if clip is not None)
    yield from dict.fromkeys(found)
