"""Confidence intervals of means over clips: a paired bootstrap, clustered by object pair.

C clips, J quantities (e.g. a metric of a method), B draws, G clusters (the clips of one pair of objects). Each draw picks G of the G clusters with
replacement and includes every clip of a cluster as often as the cluster was picked. Quantities with the same clips share the draws, so their
differences are paired. Percentile intervals follow Efron & Tibshirani (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from hoibench.clip import Array
from hoibench.results.clip_scores import ClipScores

Basis = Literal["object pairs", "clips"]

DRAWS = 10_000
SEED = 0
LEVEL = 0.95
MIN_CLUSTERS = 20
"""With fewer clusters, resampling them is unreliable; clips are then resampled as if independent, and the optimistic interval is labelled as such."""


@dataclass(frozen=True)
class Interval:
    """A 95 % bootstrap percentile interval of a mean over clips.

    Attributes:
        low, high: the ends.
        basis: the resampled units: ``object pairs`` (clusters), or ``clips`` if there are fewer than ``MIN_CLUSTERS`` clusters.
        clusters: the number of clusters.
    """

    low: float
    high: float
    basis: Basis
    clusters: int

    @property
    def is_optimistic(self) -> bool:
        """True if clips were resampled as if they were independent, so that the interval may be too narrow."""
        return self.basis == "clips"


def column_intervals(columns: Sequence[ClipScores], clusters: Array) -> list[list[Interval | None]]:
    """Return the confidence interval of every cell of a board (leaderboard table), as a list over columns of lists over rows.

    Args:
        columns: the scores of each column.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
    """
    if not columns:
        return []
    values = np.concatenate([scores.value for scores in columns]).T
    present = np.concatenate([scores.has_value for scores in columns]).T
    intervals = mean_intervals(values, present, clusters)
    height = len(intervals) // len(columns)
    return [intervals[n * height : (n + 1) * height] for n in range(len(columns))]


def mean_intervals(values: Array, present: Array, clusters: Array) -> list[Interval | None]:
    """Return the confidence interval of each column's mean over its clips; None for a column with fewer than 2 clips.

        >>> values = np.arange(40.0)[:, None]
        >>> mean_intervals(values, np.ones((40, 1), bool), clusters=np.arange(40))
        [Interval(low=15.975, high=23.05, basis='object pairs', clusters=40)]

    Args:
        values: (C, J) values of C clips in J columns; entries that are not ``present`` are ignored.
        present: (C, J) bool.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
    """
    intervals: list[Interval | None] = [None] * values.shape[1]
    percentiles = [50 * (1 - LEVEL), 50 * (1 + LEVEL)]
    for clips, columns in group_by_clips(present):
        if clips.sum() < 2:
            continue
        units, basis, count = resampling_units(clusters[clips])
        means = bootstrap_means(values[np.ix_(clips, columns)], units)
        low, high = np.percentile(means, percentiles, axis=0)
        for j, column in enumerate(columns):
            intervals[column] = Interval(float(low[j]), float(high[j]), basis, count)
    return intervals


def bootstrap_means(values: Array, clusters: Array, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Return bootstrap means: for each random draw of clusters, the mean of each column over the drawn clips.

        >>> bootstrap_means(np.array([[1.0], [3.0]]), clusters=np.arange(2), draws=3).ravel()
        array([3., 2., 1.])

    Args:
        values: (C, J) finite values of C clips in J columns.
        clusters: (C,) labels; clips with the same label are picked together.
        draws: B, the number of draws.
        seed: seed of the random draws.

    Returns:
        (B, J) means; all columns of a row are means over the same clips.
    """
    labels, member = np.unique(clusters, return_inverse=True)
    sums = np.zeros((len(labels), values.shape[1]))
    np.add.at(sums, member, values)
    weights = cluster_weights(len(labels), draws, seed)
    means: Array = (weights @ sums) / (weights @ np.bincount(member))[:, None]
    return means


@lru_cache(maxsize=4)
def cluster_weights(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Return the number of times that each of B ``draws`` picks each of G ``clusters``, (B, G) float64: G equally likely picks per draw."""
    picks = np.random.default_rng(seed).integers(0, clusters, size=(draws, clusters))
    flat = (picks + np.arange(draws)[:, None] * clusters).ravel()
    weights = np.bincount(flat, minlength=draws * clusters).reshape(draws, clusters).astype(np.float64)
    weights.setflags(write=False)
    return weights


def resampling_units(clusters: Array) -> tuple[Array, Basis, int]:
    """Return the labels by which to resample the clips, (C,), their basis, and the number of clusters.

    The basis is ``object pairs`` (the labels are ``clusters``), or ``clips`` (each has its own label) for fewer than ``MIN_CLUSTERS`` clusters.
    """
    count = len(np.unique(clusters))
    return (clusters, "object pairs", count) if count >= MIN_CLUSTERS else (np.arange(len(clusters)), "clips", count)


def group_by_clips(present: Array) -> Iterator[tuple[Array, Array]]:
    """Group the columns of (C, J) bool ``present`` that are true for the same clips: yield (the clips as (C,) bool, the columns' indices)."""
    if present.shape[1]:
        patterns, member = np.unique(present, axis=1, return_inverse=True)
        for p in range(patterns.shape[1]):
            yield patterns[:, p], np.flatnonzero(member.ravel() == p)
