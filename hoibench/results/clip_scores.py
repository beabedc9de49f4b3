"""Clip scores: result rows reduced to one number per method and clip; seeds are averaged within a clip, and seeds without an answer score the cap.

M board rows (methods), C clips. *Cost* is the ranked quantity, lower is better: the value if lower values are better, its negative if higher values
are better, |log clip(r, 1/20, 20)| of ``details["ratio"]`` r for a ratio metric, and |value - ``details["truth"]``| for a metric whose target is the
truth's value. A seed *fails* if its prediction failed or could not be scored, or if the metric is undefined for it but defined for the truth
(reference row ``ground_truth``; on a board without it, for any row), or if it does not apply to this prediction, but to others of the method and to
the truth. A failed seed scores the *cap* of its clip: the number on the metric's card, or the largest one that any result row has for that clip. If
the metric has a cap but no direction, as companions may have, a seed for which it alone is undefined does not fail but has the cap as its value, so
that a method cannot choose the clips on which a rule is checked.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.metric_card import Card, Direction

LARGEST_RATIO = 20.0
"""Ratios to the truth are clipped to between 1/20 and 20 before their logarithm is taken."""


@dataclass(frozen=True, eq=False)
class ClipScores:
    """The scores of M board rows (methods) on C clips for one metric in one region, as (M, C) arrays.

    Entries of an array are meaningless where its ``has_`` mask is false.

    Attributes:
        value, has_value: the mean over seeds, with the cap for a failed seed; a ``truth_distance`` metric leaves failed seeds out.
        cost, has_cost: the same of the cost, the ranked quantity (lower is better), with the cost of the cap for a failed seed.
        own_value, own_cost, has_own_value, has_own_cost: the means over the seeds that did not fail.
        own_detail: the mean over the same seeds of ``details["ratio"]`` or ``details["truth"]``, where the cost needs it.
        failed_seeds: number of failed seeds.
        seeds: number of seeds with a value or a failure.
        seed_variance: variance of the values of the seeds that did not fail; NaN for fewer than two.
        capped: (M,) bool, true if every failed seed has a cap; otherwise ``value`` and ``cost`` leave failures out.
    """

    value: Array
    has_value: Array
    cost: Array
    has_cost: Array
    own_value: Array
    has_own_value: Array
    own_cost: Array
    has_own_cost: Array
    own_detail: Array
    failed_seeds: Array
    seeds: Array
    seed_variance: Array
    capped: Array

    @property
    def is_answered(self) -> Array:
        """(M,) bool, true for rows with a value of their own on at least one clip; the others have caps alone, which are never shown as values."""
        return np.asarray(self.has_own_value.any(axis=1))


def clip_scores(results: pd.DataFrame, shape: tuple[int, int], card: Card, truth_row: int | None = None) -> ClipScores:
    """Average the headline results (values of whole clips) of one metric in one region over seeds: one score per board row (method) and clip.

    Args:
        results: columns ``board_row`` and ``clip_index`` (integers within ``shape``), ``status``, ``value``, ``cap``, ``details``.
        shape: (M, C), the numbers of board rows and clips.
        card: the metric.
        truth_row: the board row of ``ground_truth``; None if there is none.
    """
    row, clip = (results[name].to_numpy(dtype=np.int64) for name in ("board_row", "clip_index"))
    cell = row * shape[1] + clip
    status = results["status"].to_numpy(dtype=object)
    raw_value = results["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    ok = (status == "ok") & np.isfinite(raw_value)
    failed, cap = _find_missing_answers(row, clip, status, ok, truth_row), _clip_caps(results, shape[1], card)
    if card.direction == "none":
        raw_value = np.where(failed, cap[clip], raw_value)
        ok |= failed & np.isfinite(raw_value)
    failed = (failed & ~ok) | (status == "failed")
    raw_detail = _read_details(results["details"].to_numpy(dtype=object), ok, card.direction)
    raw_cost = result_costs(raw_value, raw_detail, ok, card.direction)
    ok_cost = ok & np.isfinite(raw_cost)

    # Rounding of the sums must not depend on the order of the rows.
    order = np.lexsort((raw_detail, raw_cost, raw_value, cell))
    cell, status, ok, ok_cost, failed = cell[order], status[order], ok[order], ok_cost[order], failed[order]
    raw_value, raw_cost, raw_detail = raw_value[order], raw_cost[order], raw_detail[order]

    def total(mask: Array, weights: Array | None = None) -> Array:
        sums = np.bincount(cell[mask], None if weights is None else weights[mask], minlength=shape[0] * shape[1])
        return sums.reshape(shape)

    n_ok, n_cost, n_failed = total(ok), total(ok_cost), total(failed)
    # A unit that fails is recorded as failed on every metric, including those that never apply to its method.
    never_applies = (total(status == "not_applicable") > 0).any(axis=1) & np.logical_not((n_ok > 0).any(axis=1))
    n_failed = np.where(never_applies[:, None], 0, n_failed)
    value_sum, cost_sum = total(ok, raw_value), total(ok_cost, raw_cost)
    has_own_value, has_own_cost = n_ok > 0, (n_ok > 0) & (n_cost == n_ok)

    own_value = _divide(value_sum, n_ok)
    squares = total(ok, (np.where(ok, raw_value, 0.0) - own_value.ravel()[cell]) ** 2)

    capped: Array = np.logical_not(((n_failed > 0) & np.isnan(cap)).any(axis=1))
    n_capped = np.where(capped[:, None], n_failed, 0)
    n_capped_values = n_capped * (card.direction != "truth_distance")
    return ClipScores(
        value=_divide(value_sum + n_capped_values * np.nan_to_num(cap), n_ok + n_capped_values),
        has_value=has_own_value | (n_capped_values > 0),
        cost=_divide(cost_sum + n_capped * np.nan_to_num(_cap_costs(cap, card.direction)), n_cost + n_capped),
        has_cost=(card.direction != "none") & (has_own_cost | ((n_capped > 0) & (n_ok == n_cost))),
        own_value=own_value,
        has_own_value=has_own_value,
        own_cost=_divide(cost_sum, n_cost),
        has_own_cost=has_own_cost,
        own_detail=_divide(total(ok_cost, raw_detail), n_cost),
        failed_seeds=n_failed,
        seeds=n_ok + n_failed,
        seed_variance=np.where(n_ok > 1, _divide(squares, n_ok - 1), np.nan),
        capped=capped,
    )


def _find_missing_answers(row: Array, clip: Array, status: Array, ok: Array, truth_row: int | None) -> Array:
    """Return (n,) bool, true for results without a value on a clip on which the metric is defined, of methods that it applies to.

    It is defined where the truth has a value, or any row if there is no truth, and applies to methods with a value on any clip.
    """
    is_defined = np.isin(clip, clip[ok if truth_row is None else ok & (row == truth_row)])
    applies = np.isin(row, row[ok])
    missing: Array = is_defined & ((status == "undefined") | ((status == "not_applicable") & applies))
    return missing


def result_costs(values: Array, numbers: Array, ok: Array, direction: Direction) -> Array:
    """Return the cost (the ranked quantity, lower is better) of n results, (n,); NaN where the value, the ratio or the truth is missing.

    Args:
        values: (n,) the results' values.
        numbers: (n,) the ratio to the truth or the truth's value that a metric of direction ``ratio`` or ``truth_distance`` needs; else ignored.
        ok: (n,) bool, true for results with a value.
        direction: the metric's direction; without one (``none``) every cost is NaN.
    """
    if direction == "lower":
        return np.where(ok, values, np.nan)
    if direction == "higher":
        return np.where(ok, -values, np.nan)
    if direction == "ratio":
        return _ratio_costs(np.where(ok & (numbers >= 0), numbers, np.nan))
    if direction == "truth_distance":
        distances: Array = np.abs(np.where(ok, values, np.nan) - numbers)
        return distances
    return np.full(len(values), np.nan)


def _read_details(details: Array, ok: Array, direction: Direction) -> Array:
    """Return ``ratio`` or ``truth`` from the JSON details of n results, (n,) float64; NaN where it is no finite number or the metric needs none.

    Raises:
        ValueError: details are not a JSON object.
    """
    key = {"ratio": "ratio", "truth_distance": "truth"}.get(direction)
    numbers = np.full(len(details), np.nan)
    for n in np.flatnonzero(ok) if key else ():
        try:
            number = json.loads(details[n]).get(key)
        except (ValueError, AttributeError, RecursionError):
            raise ValueError(f"results.parquet: details is {details[n][:60]!r}, expected a JSON object") from None
        if isinstance(number, int | float) and math.isfinite(number):
            numbers[n] = number
    return numbers


def _ratio_costs(ratio: Array) -> Array:
    costs: Array = np.abs(np.log(np.clip(ratio, 1 / LARGEST_RATIO, LARGEST_RATIO)))
    return costs


def _clip_caps(results: pd.DataFrame, n_clips: int, card: Card) -> Array:
    """Return the cap of each clip, (C,) float64; NaN where it is unknown."""
    if not isinstance(card.cap, str):
        return np.full(n_clips, np.nan if card.cap is None else card.cap)
    caps: Array = np.full(n_clips, -np.inf)
    known = results["cap"].to_numpy(dtype=np.float64, na_value=-np.inf)
    np.maximum.at(caps, results["clip_index"].to_numpy(dtype=np.int64), known)
    caps[np.isinf(caps)] = np.nan
    return caps


def _cap_costs(cap: Array, direction: Direction) -> Array:
    if direction == "higher":
        return -cap
    return _ratio_costs(cap) if direction == "ratio" else cap


def _divide(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
