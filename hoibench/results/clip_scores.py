"""Clip scores: result rows reduced to one number per method and clip; seeds are averaged within a clip, and failed seeds are penalised.

M board rows (methods), C clips. *Cost* is the ranked quantity, lower is better: the value if lower values are better, its negative if higher values
are better, and the absolute logarithm of ``details["ratio"]`` for a ratio metric. The *penalty* of a failed seed is the value, on the same clip, of
the worse of two reference rows: ``frozen`` (the true video's first frame, repeated) and ``random``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.metric_card import Direction

RATIO_CAP = math.log(1000)
"""The largest cost of a ratio metric: a value a thousand times too large or too small; a ratio of zero also has this cost."""


@dataclass(frozen=True, eq=False)
class ClipScores:
    """The scores of M board rows (methods) on C clips for one metric in one region, as (M, C) arrays.

    Entries of an array are meaningless where its ``has_`` mask is false.

    Attributes:
        value, has_value: the mean over seeds, with the penalty for a failed seed.
        cost, has_cost: the same of the cost, the ranked quantity (lower is better).
        own_value, has_own_value: the mean over the seeds that did not fail.
        failed: bool, true if a seed of the clip failed.
        penalised: (M,) bool, true if every failed seed has a penalty; otherwise ``value`` leaves failures out, like ``own_value``.
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
    """Average the headline results (values of whole clips) of one metric in one region over seeds: one score per board row (method) and clip.

    Args:
        results: columns ``board_row`` and ``clip_index`` (integers within ``shape``), ``status``, ``value``, ``details``.
        shape: (M, C), the numbers of board rows and clips.
        direction: the metric's direction, e.g. ``lower`` if lower values are better.
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
    """Return the cost (the ranked quantity, lower is better) of n results, (n,); NaN without a value or ratio, or if the direction is ``none``.

    Args:
        values: (n,) the results' values.
        details: (n,) their details as JSON text, with the ``ratio`` of a ratio metric.
        ok: (n,) bool, true for results with a value.
        direction: the metric's direction.
    """
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
    """Return the value and the cost of the penalty row with the highest cost on each clip, and true if all penalty rows have a cost; (C,) each."""
    if not penalty_rows:
        nothing = np.zeros(value.shape[1])
        return nothing, nothing, nothing.astype(bool)
    rows = np.array(penalty_rows)
    worst = rows[cost[rows].argmax(axis=0)]
    clips = np.arange(value.shape[1])
    return value[worst, clips], cost[worst, clips], has_cost[rows].all(axis=0)


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
