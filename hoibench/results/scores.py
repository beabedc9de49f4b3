"""From rows to one number a clip: seeds averaged within the clip, failed clips given a stand-in, nothing else made up.

M entrants, C clips.  *Badness* is what ranks: the value itself where lower is better, its negative where higher is, and the distance of
``details.ratio`` from one in logarithm for a ratio metric; lower badness is better, always.
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
"""A ratio of zero has no logarithm; its badness is that of a thousandfold difference."""


@dataclass(frozen=True, eq=False)
class ClipScores:
    """One metric in one region, (M, C) arrays; entries outside their mask are 0 and mean nothing.

    Attributes:
        value, present: the ranked number of each clip, a failed seed counting as the stand-in.
        badness, comparable: the same for ranking.
        clean, scored: the number without failures.
        failed: a seed of the clip failed.
        stood_in: (M,) every failed clip had a stand-in; where false, ``value`` leaves failures out like ``clean``.
        seeds: seeds that ended in a value or a failure.
    """

    value: Array
    present: Array
    badness: Array
    comparable: Array
    clean: Array
    scored: Array
    failed: Array
    stood_in: Array
    seeds: Array


def gather(
    rows: pd.DataFrame, shape: tuple[int, int], direction: Direction, stand_ins: tuple[int, ...], exempt: Array
) -> ClipScores:
    """Headline rows of one metric and region, as one number a clip.

    Args:
        rows: columns ``entrant`` and ``clip_index`` (integers within ``shape``), ``status``, ``value``, ``details``.
        shape: (M, C).
        direction: which way is better.
        stand_ins: entrants whose worse value on a clip a failed seed takes: ``frozen`` and ``random``; empty where one of them is missing.
        exempt: (M,) entrants whose failures take no stand-in: the reference rows.
    """
    cell = (rows["entrant"] * shape[1] + rows["clip_index"]).to_numpy(dtype=np.int64)
    status, raw = rows["status"].to_numpy(dtype=object), rows["value"].to_numpy(dtype=np.float64, na_value=np.nan)
    ok = (status == "ok") & np.isfinite(raw)
    bad = row_badness(raw, rows["details"].to_numpy(dtype=object), ok, direction)
    known = ok & np.isfinite(bad)

    def total(mask: Array, weights: Array | None = None) -> Array:
        counted = np.bincount(cell[mask], None if weights is None else weights[mask], minlength=shape[0] * shape[1])
        return counted.reshape(shape)

    n_ok, n_known, n_failed = total(ok), total(known), total(status == "failed")
    # A unit that failed as a whole is failed on every metric, also on those that its method never has.
    never = (total(status == "not_applicable") > 0).any(axis=1) & np.logical_not((n_ok > 0).any(axis=1))
    n_failed = np.where(never[:, None], 0, n_failed)
    sum_ok, sum_bad = total(ok, raw), total(known, bad)
    scored, comparable = n_ok > 0, (n_ok > 0) & (n_known == n_ok)
    clean, clean_bad = _ratio(sum_ok, n_ok), _ratio(sum_bad, n_known)
    stand_value, stand_bad, has_stand_in = _stand_in(clean, clean_bad, comparable, stand_ins)

    takes = (n_failed > 0) & ~exempt[:, None]
    stood_in: Array = np.logical_not((takes & ~has_stand_in).any(axis=1))
    filled = takes & stood_in[:, None]
    extra = np.where(filled, n_failed, 0)
    return ClipScores(
        value=_ratio(sum_ok + extra * stand_value, n_ok + extra),
        present=scored | filled,
        badness=_ratio(sum_bad + extra * stand_bad, n_known + extra),
        comparable=comparable | (filled & (n_known == n_ok)),
        clean=clean,
        scored=scored,
        failed=n_failed > 0,
        stood_in=stood_in,
        seeds=n_ok + n_failed,
    )


def row_badness(values: Array, details: Array, ok: Array, direction: Direction) -> Array:
    """(rows,) badness of each row, NaN where it has none: no number, no ratio, or a direction of ``none``."""
    if direction == "lower":
        return np.where(ok, values, np.nan)
    if direction == "higher":
        return np.where(ok, -values, np.nan)
    if direction == "none":
        return np.full(len(values), np.nan)
    return np.array(
        [_log_distance(text) if good else np.nan for text, good in zip(details, ok, strict=True)], dtype=np.float64
    )


def _log_distance(details: str) -> float:
    ratio = json.loads(details).get("ratio")
    if not isinstance(ratio, int | float) or not math.isfinite(ratio) or ratio < 0:
        return math.nan
    return min(abs(math.log(ratio)), RATIO_CAP) if ratio > 0 else RATIO_CAP


def _stand_in(
    clean: Array, badness: Array, comparable: Array, stand_ins: tuple[int, ...]
) -> tuple[Array, Array, Array]:
    """Value and badness of the worst stand-in on each clip, and whether all of them are there; (C,) each."""
    if not stand_ins:
        nothing = np.zeros(clean.shape[1])
        return nothing, nothing, nothing.astype(bool)
    chosen = np.array(stand_ins)
    worst = chosen[badness[chosen].argmax(axis=0)]
    clips = np.arange(clean.shape[1])
    return clean[worst, clips], badness[worst, clips], comparable[chosen].all(axis=0)


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)
