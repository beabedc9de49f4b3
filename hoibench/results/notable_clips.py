"""Clips worth looking at: the worst ones of a column, and those on which methods, or the seeds of a method, disagree most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.results.board import Board


@dataclass(frozen=True)
class NotableClip:
    """A clip of one column (metric), with the row or the two rows (methods) that make it notable.

    Attributes:
        clip: the clip's id.
        rows: labels of one row, or of the best and the worst of several.
        values: these rows' values on the clip; for seeds, the mean over seeds and their standard deviation; none for a failed clip.
    """

    clip: str
    rows: tuple[str, ...]
    values: tuple[float, ...]


def worst_clips(board: Board, column: int, count: int) -> list[NotableClip]:
    """Return the (row, clip) pairs of methods with the highest cost in a column, worst first; failed seeds count with the cap.

    Methods without any value of their own are left out.
    """
    scores = board.scores[column]
    members = [m for m in board.methods if scores.is_answered[m]]
    cost = np.where(scores.has_cost[members], scores.cost[members], -np.inf)
    return [
        NotableClip(
            board.clips[c].id,
            (board.rows[members[m]].label,),
            (float(scores.value[members[m], c]),) if scores.has_own_value[members[m], c] else (),
        )
        for m, c in _largest(cost, count)
    ]


def worst_clip(board: Board, column: int, row: int) -> NotableClip | None:
    """Return the clip on which a row's cost in a column is highest; failed seeds count with the cap; None without any value of the row's own."""
    scores = board.scores[column]
    if not (scores.is_answered[row] and scores.has_cost[row].any()):
        return None
    c = int(np.where(scores.has_cost[row], scores.cost[row], -np.inf).argmax())
    values = (float(scores.value[row, c]),) if scores.has_own_value[row, c] else ()
    return NotableClip(board.clips[c].id, (board.rows[row].label,), values)


def method_disagreements(board: Board, column: int, count: int) -> list[NotableClip]:
    """Return the clips on which the costs of the best and the worst method of a column differ most, as answered, the largest difference first."""
    scores, members = board.scores[column], list(board.methods)
    cost, present = scores.own_cost[members], scores.has_own_cost[members]
    if not len(members):
        return []
    best = np.where(present, cost, np.inf).argmin(axis=0)
    worst = np.where(present, cost, -np.inf).argmax(axis=0)
    clips = np.arange(cost.shape[1])
    spread = np.where(present.sum(axis=0) > 1, cost[worst, clips] - cost[best, clips], -np.inf)
    found = []
    for _, c in _largest(spread[None], count):
        pair = [members[best[c]], members[worst[c]]]
        first, second = (float(scores.own_value[m, c]) for m in pair)
        found.append(NotableClip(board.clips[c].id, tuple(board.rows[m].label for m in pair), (first, second)))
    return found


def seed_disagreements(board: Board, column: int, count: int) -> list[NotableClip]:
    """Return the (row, clip) pairs of methods whose seeds differ most in a column, by their standard deviation, the largest first."""
    scores, members = board.scores[column], list(board.methods)
    variance = scores.seed_variance[members]
    deviation = np.where(variance > 0, np.sqrt(np.where(variance > 0, variance, 0.0)), -np.inf)
    return [
        NotableClip(
            board.clips[c].id,
            (board.rows[members[m]].label,),
            (float(scores.own_value[members[m], c]), float(deviation[m, c])),
        )
        for m, c in _largest(deviation, count)
    ]


def _largest(values: Array, count: int) -> list[tuple[int, int]]:
    """Return the indices of the largest finite values of a (M, C) array, largest first."""
    order = np.argsort(-values, axis=None, kind="stable")[:count]
    places = [(int(n // values.shape[1]), int(n % values.shape[1])) for n in order]
    return [place for place in places if np.isfinite(values[place])]
