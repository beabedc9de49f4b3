"""The clips of a board whose videos the site shows: a typical one for the first page's strip, those that the first page links, and a fixed sample."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from hoibench.results.board import Board
from hoibench.results.notable_clips import method_disagreements, worst_clip


@dataclass(frozen=True)
class TypicalClip:
    """The clip on which a row's cost in a column is the median of its clips.

    Attributes:
        clip, row, column: indices in the board.
        is_leader: True if the row leads the column; else it has the lowest mean cost.
        answered: number of clips on which the row has a value.
    """

    clip: int
    row: int
    column: int
    is_leader: bool
    answered: int


def main_column(board: Board) -> int | None:
    """Return the index of the column by which the site chooses clips and methods: the first primary one, else the first with a direction."""
    others = (n for n, column in enumerate(board.columns) if column.card.direction != "none")
    return next(iter(board.primary_columns), next(others, None))


def rank_methods(board: Board, column: int) -> list[int]:
    """Return the indices of the methods with values in a column: its leader, then by mean cost over the clips."""
    scores = board.scores[column]
    methods = [m for m in board.methods if scores.has_own_cost[m].any()]
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

    The typical clip comes first, then those that ``highlights`` links; the rest are drawn by a fixed shuffle, which does not depend on the other
    clips of the board, so that not only the worst are seen.
    """
    typical = typical_clip(board)
    first = [typical.clip] if typical else []
    shuffled = sorted(range(len(board.clips)), key=lambda c: hashlib.sha256(board.clips[c].id.encode()).digest())
    return tuple(sorted(list(dict.fromkeys([*first, *_notable(board), *shuffled]))[:count]))


def _notable(board: Board) -> list[int]:
    """Return the indices of the clips on which methods differ most in a primary column, and of each method's worst ones."""
    index = {clip.id: c for c, clip in enumerate(board.clips)}
    disputed = [clip for n in board.primary_columns for clip in method_disagreements(board, n, 1)]
    worst = [worst_clip(board, n, m) for m in board.methods for n in board.primary_columns]
    return [index[clip.clip] for clip in (*disputed, *worst) if clip is not None]
