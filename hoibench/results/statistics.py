"""Intervals and tie groups: a paired bootstrap over clips, clustered by object-instance pair, and Holm's correction.

C clips, J quantities, B draws, G clusters.  A draw picks G of the G clusters with replacement and takes every clip of a picked cluster as often
as it was picked; quantities with the same clips share the draws, so that differences are paired.  Percentile intervals follow Efron & Tibshirani
(1993), chapter 13; the step-down correction Holm (1979).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[Any]
Basis = Literal["object pairs", "clips"]

DRAWS = 10_000
SEED = 0
LEVEL = 0.95
MIN_CLUSTERS = 20
"""Under this many clusters their resampling is unreliable, and clips are resampled as if independent: optimistic, and labelled so."""
MIN_PAIRED = 6
"""Fewer clips never separate two methods: even a clean sweep of five has probability 1/16 under a two-sided sign test."""


@dataclass(frozen=True)
class Interval:
    """A 95 % percentile interval of a mean over clips.

    ``basis`` says what was resampled: ``object pairs`` (clusters), or ``clips`` where there are under ``MIN_CLUSTERS`` clusters, which is optimistic.
    """

    low: float
    high: float
    basis: Basis
    clusters: int

    @property
    def optimistic(self) -> bool:
        """Whether clips were resampled as if they were independent."""
        return self.basis == "clips"


@lru_cache(maxsize=4)
def cluster_weights(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Array:
    """How often each draw picks each cluster: (B, G) float64, rows sum to G, multinomial with equal shares."""
    picks = np.random.default_rng(seed).integers(0, clusters, size=(draws, clusters))
    flat = (picks + np.arange(draws)[:, None] * clusters).ravel()
    weights = np.bincount(flat, minlength=draws * clusters).reshape(draws, clusters).astype(np.float64)
    weights.setflags(write=False)
    return weights


def bootstrap_means(values: Array, clusters: Array, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Means over the clips of each draw.

    Args:
        values: (C, J), every entry finite.
        clusters: (C,) labels; clips with one label are picked together.
        draws: B.
        seed: seed of the picks.

    Returns:
        (B, J) means, paired across J.

    Raises:
        ValueError: there is no clip, the lengths differ, or a value is missing: give only clips that every quantity has.
    """
    if not len(values) or len(values) != len(clusters):
        raise ValueError(
            f"{len(values)} clips with {len(clusters)} cluster labels: give one label a clip, and at least one clip"
        )
    if not np.isfinite(values).all():
        raise ValueError("values hold NaN or infinity; a missing value is left out, never averaged")
    labels, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(labels), values.shape[1]))
    np.add.at(sums, member, values)
    weights = cluster_weights(len(labels), draws, seed)
    means: Array = (weights @ sums) / (weights @ np.bincount(member))[:, None]
    return means


def resampling_units(clusters: Array) -> tuple[Array, Basis, int]:
    """What to resample among these clips: labels (C,), their basis, and how many clusters there are."""
    count = len(np.unique(clusters))
    return (clusters, "object pairs", count) if count >= MIN_CLUSTERS else (np.arange(len(clusters)), "clips", count)


def mean_intervals(values: Array, present: Array, clusters: Array) -> list[Interval | None]:
    """The interval of each column's mean over the clips it has; None under 2 clips.

    Args:
        values: (C, J); entries that are not ``present`` are never read.
        present: (C, J) bool.
        clusters: (C,) labels.
    """
    found: list[Interval | None] = [None] * values.shape[1]
    tails = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    for clips, columns in _same_clips(present):
        if clips.sum() < 2:
            continue
        units, basis, count = resampling_units(clusters[clips])
        means = bootstrap_means(values[np.ix_(clips, columns)], units)
        low, high = np.percentile(means, tails, axis=0)
        for j, column in enumerate(columns):
            found[column] = Interval(float(low[j]), float(high[j]), basis, count)
    return found


def leading_group(badness: Array, present: Array, clusters: Array, level: float = LEVEL) -> tuple[int, Array]:
    """The best column, and which columns are not separable from it.

    Every pair of columns is compared over the clips that both have; Holm's correction runs over all pairs, since the best is chosen by looking.

    Args:
        badness: (C, J), lower is better; entries that are not ``present`` are never read.
        present: (C, J) bool, at least one clip in each column.
        clusters: (C,) labels.
        level: confidence.

    Returns:
        The best column's index, and (J,) bool, true for it and for every column that is not separably worse.
    """
    means = np.array([badness[present[:, j], j].mean() for j in range(badness.shape[1])])
    best = int(means.argmin())
    pairs, p_values, worse = compare_pairs(badness, present, clusters)
    rejected = holm(p_values) <= 1 - level
    tied = np.ones(len(means), dtype=bool)
    for (i, j), reject, i_is_worse in zip(pairs, rejected, worse, strict=True):
        loser, winner = (i, j) if i_is_worse else (j, i)
        if reject and winner == best:
            tied[loser] = False
    return best, tied


def compare_pairs(badness: Array, present: Array, clusters: Array) -> tuple[list[tuple[int, int]], Array, Array]:
    """Two-sided bootstrap p-values of every pair of columns, and whether the first of each is the worse one; shapes as in ``leading_group``."""
    pairs = list(combinations(range(badness.shape[1]), 2))
    p_values, worse = np.ones(len(pairs)), np.zeros(len(pairs), dtype=bool)
    both = (
        np.stack([present[:, i] & present[:, j] for i, j in pairs], axis=1)
        if pairs
        else np.zeros((len(present), 0), bool)
    )
    for clips, members in _same_clips(both):
        if clips.sum() < MIN_PAIRED:
            continue
        columns = sorted({column for m in members for column in pairs[m]})
        units, _, _ = resampling_units(clusters[clips])
        observed = badness[np.ix_(clips, columns)]
        means, place = bootstrap_means(observed, units), {column: n for n, column in enumerate(columns)}
        for m in members:
            i, j = (place[column] for column in pairs[m])
            p_values[m] = _two_sided(means[:, i] - means[:, j])
            worse[m] = observed[:, i].mean() > observed[:, j].mean()
    return pairs, p_values, worse


def holm(p_values: Array) -> Array:
    """Holm's step-down adjusted p-values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    steps = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * steps), 1.0)
    return adjusted


def _two_sided(differences: Array) -> float:
    """Twice the share of draws on the far side of zero; beyond the draws' resolution the normal tail with their mean and deviation stands in."""
    far = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    tail: float = (far + 1) / (len(differences) + 1)
    if far == 0:
        spread = float(differences.std())
        tail = min(tail, float(ndtr(-abs(differences.mean()) / spread)) if spread > 0 else 0.0)
    return float(min(2 * tail, 1.0))


def _same_clips(present: Array) -> Iterator[tuple[Array, Array]]:
    """Columns of (C, J) ``present`` gathered by the clips that they have: ((C,) bool, column indices)."""
    if present.shape[1]:
        patterns, member = np.unique(present, axis=1, return_inverse=True)
        for p in range(patterns.shape[1]):
            yield patterns[:, p], np.flatnonzero(member.ravel() == p)
