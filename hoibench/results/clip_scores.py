"""From result rows to one number per clip: seeds are averaged within a clip, and failed seeds are penalised.

M board rows, C clips. *Cost* is the ranked quantity, lower is better: the value if lower values are better, its negative if higher values are
better, and the absolute logarithm of ``details.ratio`` for a ratio metric. The *penalty* of a failed seed is the worse of the frozen and the
random row on the same clip.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hoibench.metric_card import Direction

Array = NDArray[Any]

RATIO_CAP = math.log(1000)
"""The largest cost of a ratio metric, that of a thousandfold difference; a ratio of zero costs as much."""


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One metric in one region as (M, C) arrays; entries outside their mask are 0 and meaningless.

    Attributes:
        value, has_value: the mean over seeds, a failed seed counting as the penalty.
        cost, has_cost: the same for the cost.
        own_value, has_own_value: the mean over the seeds that did not fail.
        failed: a seed of the clip failed.
        penalised: (M,) true if every failed clip has a penalty; otherwise ``value`` leaves failures out, like ``own_value``.
        seeds: number of seeds with a value or a failure.
    """

    value: Array
    has_value: Array
    cost: Array
    has_cost: Array
    own_value: Array
    has_own_value: Array
    failed: Array
    penalised: Array
    seeds: Array


def clip_scores(
    results: pd.DataFrame, shape: tuple[int, int], direction: Direction, penalty_rows: tuple[int, ...], exempt: Array
) -> ClipScores:
    """Average the headline results of one metric and region into one number per clip.

    Args:
        results: columns ``board_row`` and ``clip_index`` (integers within ``shape``), ``status``, ``value``, ``details``.
        shape: (M, C).
        direction: which values are better.
        penalty_rows: the board rows whose worse value on a clip replaces a failed seed; empty if one of them is missing.
        exempt: (M,) bool, rows whose failures are not penalised: the reference rows.
    """
    cell = (results["board_row"] * shape[1] + results["clip_index"]).to_numpy(dtype=np.int64)
    status = results["status"].to_numpy(dtype=object)
    raw_value = results["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    ok = (status == "ok") & np.isfinite(raw_value)
    raw_cost = result_costs(raw_value, results["details"].to_numpy(dtype=object), ok, direction)
    ok_cost = ok & np.isfinite(raw_cost)

    def total(mask: Array, weights: Array | None = None) -> Array:
        sums = np.bincount(cell[mask], None if weights is None else weights[mask], minlength=shape[0] * shape[1])
        return sums.reshape(shape)

    n_ok, n_cost, n_failed = total(ok), total(ok_cost), total(status == "failed")
    # A unit that fails is recorded as failed on every metric, including those that never apply to its method.
    never_applies = (total(status == "not_applicable") > 0).any(axis=1) & np.logical_not((n_ok > 0).any(axis=1))
    n_failed = np.where(never_applies[:, None], 0, n_failed)
    value_sum, cost_sum = total(ok, raw_value), total(ok_cost, raw_cost)
    has_own_value, has_own_cost = n_ok > 0, (n_ok > 0) & (n_cost == n_ok)
    own_value, own_cost = _divide(value_sum, n_ok), _divide(cost_sum, n_cost)
    penalty_value, penalty_cost, has_penalty = _penalties(own_value, own_cost, has_own_cost, penalty_rows)

    needs_penalty = (n_failed > 0) & ~exempt[:, None]
    penalised: Array = np.logical_not((needs_penalty & ~has_penalty).any(axis=1))
    filled = needs_penalty & penalised[:, None]
    n_penalties = np.where(filled, n_failed, 0)
    return ClipScores(
        value=_divide(value_sum + n_penalties * penalty_value, n_ok + n_penalties),
        has_value=has_own_value | filled,
        cost=_divide(cost_sum + n_penalties * penalty_cost, n_cost + n_penalties),
        has_cost=has_own_cost | (filled & (n_cost == n_ok)),
        own_value=own_value,
        has_own_value=has_own_value,
        failed=n_failed > 0,
        penalised=penalised,
        seeds=n_ok + n_failed,
    )


def result_costs(values: Array, details: Array, ok: Array, direction: Direction) -> Array:
    """Return the cost of each result row, NaN if it has no value, no ratio, or the direction is ``none``."""
    if direction == "lower":
        return np.where(ok, values, np.nan)
    if direction == "higher":
        return np.where(ok, -values, np.nan)
    if direction == "none":
        return np.full(len(values), np.nan)
    return np.array(
        [_ratio_cost(text) if good else np.nan for text, good in zip(details, ok, strict=True)], dtype=np.float64
    )


def _ratio_cost(details: str) -> float:
    ratio = json.loads(details).get("ratio")
    if not isinstance(ratio, int | float) or not math.isfinite(ratio) or ratio < 0:
        return math.nan
    return min(abs(math.log(ratio)), RATIO_CAP) if ratio > 0 else RATIO_CAP


def _penalties(value: Array, cost: Array, has_cost: Array, penalty_rows: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """Return value and cost of the worst penalty row on each clip, and whether all penalty rows have one; (C,) each."""
    if not penalty_rows:
        nothing = np.zeros(value.shape[1])
        return nothing, nothing, nothing.astype(bool)
    rows = np.array(penalty_rows)
    worst = rows[cost[rows].argmax(axis=0)]
    clips = np.arange(value.shape[1])
    return value[worst, clips], cost[worst, clips], has_cost[rows].all(axis=0)


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
