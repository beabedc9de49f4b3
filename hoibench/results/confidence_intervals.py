"""Confidence intervals of means over clips that are not independent: clips of the same pair of objects form a cluster.

C clips, G clusters, J quantities (e.g. a metric of a method). The variance of the mean is the cluster-robust CR2 estimate
of Bell & McCaffrey (2002), its reference distribution Student's t with their degrees of freedom, for independent clips of equal variance as the
working model. For a mean both have a closed form in the sizes of the clusters; see docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import stdtrit
from scipy.stats import binomtest

from hoibench.clip import Array
from hoibench.results.clip_scores import ClipScores

LEVEL = 0.95
MAX_AT_BOUND = 1 / 3
"""With a larger share of values at a bound of the metric there is no interval: such intervals contain the true mean in half of all cases."""
ROUNDING = 1e-12
"""A sum that is smaller than this share of its terms is rounding error, and set to zero."""

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval of a mean over clips.

    Attributes:
        low, high: the ends.
        degrees_of_freedom: of Student's t distribution; the number of clusters less one if these are equally large, else smaller.
        clusters: number of clusters.
    """

    low: float
    high: float
    degrees_of_freedom: float
    clusters: int


@dataclass(frozen=True, eq=False)
class MeanEstimates:
    """Means of J quantities with their standard errors, as (J,) arrays.

    Attributes:
        mean: mean over clips; NaN without clips.
        standard_error, degrees_of_freedom: CR2 and Bell-McCaffrey; NaN for fewer than 2 clusters.
        clips, clusters: number of clips and of clusters.
    """

    mean: Array
    standard_error: Array
    degrees_of_freedom: Array
    clips: Array
    clusters: Array

    def half_width(self, level: float = LEVEL) -> Array:
        """Return the half-widths of the confidence intervals, (J,); NaN for fewer than 2 clusters."""
        half: Array = stdtrit(self.degrees_of_freedom, (1 + level) / 2) * self.standard_error
        return half


def column_intervals(
    columns: Sequence[ClipScores], bounds: Sequence[Bounds], clusters: Array
) -> list[list[Interval | None]]:
    """Return the interval of the mean over answered clips for every cell of a board (leaderboard table): a list over columns of lists over rows.

    Failed clips are left out: a mean with failures at the cap has no interval.

    Args:
        columns: the scores of each column.
        bounds: (smallest, largest) possible value of each column's metric, None where there is no bound.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
    """
    return [
        mean_intervals(scores.own_value.T, scores.has_own_value.T, clusters, limits)
        for scores, limits in zip(columns, bounds, strict=True)
    ]


def mean_intervals(
    values: Array, present: Array, clusters: Array, bounds: Bounds = (None, None)
) -> list[Interval | None]:
    """Return the 95 % confidence interval of each quantity's mean over its clips.

    There is none for fewer than 2 clusters, for clusters without any spread, or if more than ``MAX_AT_BOUND`` of the values are at a bound.
    Ends beyond a bound are set to it, which changes no coverage, since the mean is within the bounds.

        >>> values = np.arange(40.0)[:, None]
        >>> (interval,) = mean_intervals(values, np.ones((40, 1), bool), clusters=np.arange(40))
        >>> round(interval.low, 3), round(interval.high, 3), round(interval.degrees_of_freedom, 9)
        (15.761, 23.239, 39.0)

    Args:
        values: (C, J) values of C clips of J quantities; entries that are not ``present`` are ignored.
        present: (C, J) bool.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
        bounds: (smallest, largest) possible value; None where there is no bound.
    """
    estimates = estimate_means(values, present, clusters)
    half = estimates.half_width()
    least, most = (-np.inf if bounds[0] is None else bounds[0]), (np.inf if bounds[1] is None else bounds[1])
    low, high = (np.clip(estimates.mean + side, least, most) for side in (-half, half))
    has_interval = (estimates.standard_error > 0) & (_share_at_bound(values, present, bounds) <= MAX_AT_BOUND)
    return [
        Interval(
            float(low[j]),
            float(high[j]),
            float(estimates.degrees_of_freedom[j]),
            int(estimates.clusters[j]),
        )
        if has_interval[j]
        else None
        for j in range(values.shape[1])
    ]


def estimate_means(values: Array, present: Array, clusters: Array) -> MeanEstimates:
    """Estimate the means of J quantities over their clips, with standard errors that allow for clusters; arguments as ``mean_intervals``.

    With n_g clips in cluster g, N in all, p_g = n_g / N and R_g the sum of the cluster's residuals, the variance is
    sum_g R_g^2 / (1 - p_g) / N^2, and the degrees of freedom are 1 / (sum_g p_g^2 + sum_{g != h} q_g q_h) with q_g = p_g^2 / (1 - p_g).
    """
    member = np.unique(clusters, return_inverse=True)[1]
    sizes = cluster_sums(present.astype(np.float64), member)
    clips = sizes.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = cluster_sums(np.where(present, values, 0.0), member).sum(axis=0) / clips
        deviations = np.where(present, values - mean, 0.0)
        residuals = drop_rounding(
            cluster_sums(deviations, member),
            cluster_sums(np.where(present, np.abs(values) + np.abs(mean), 0.0), member),
        )
        variance = (residuals**2 / (1 - sizes / clips)).sum(axis=0) / clips**2
    degrees_of_freedom = bell_mccaffrey(sizes)
    return MeanEstimates(
        mean=mean,
        standard_error=np.where(np.isnan(degrees_of_freedom), np.nan, np.sqrt(variance)),
        degrees_of_freedom=degrees_of_freedom,
        clips=clips.astype(np.int64),
        clusters=np.count_nonzero(sizes, axis=0),
    )


def bell_mccaffrey(sizes: Array) -> Array:
    """Return Bell and McCaffrey's degrees of freedom of J means, (J,); NaN for fewer than 2 clusters.

        >>> bell_mccaffrey(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 4.0]])).round(2)
        array([2.  , 1.47])

    Args:
        sizes: (G, J) number of clips in each cluster of each quantity; 0 for clusters without clips.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        share = sizes / sizes.sum(axis=0)
        q = share**2 / (1 - share)
        found: Array = 1 / ((share**2).sum(axis=0) + q.sum(axis=0) ** 2 - (q**2).sum(axis=0))
    return np.where(np.count_nonzero(sizes, axis=0) < 2, np.nan, found)


def cluster_sums(values: Array, member: Array) -> Array:
    """Return the sums of (C, J) values over the clips of each cluster, (G, J); ``member`` (C,) has each clip's cluster, all of 0 to G - 1."""
    order = np.argsort(member, kind="stable")
    starts = np.flatnonzero(np.diff(member[order], prepend=-1))
    sums: Array = np.add.reduceat(values[order], starts, axis=0)
    return sums


def drop_rounding(sums: Array, sizes_of_terms: Array) -> Array:
    """Return sums, zero where they are rounding error; ``sizes_of_terms`` are the sums of the terms' absolute values."""
    return np.where(np.abs(sums) <= ROUNDING * sizes_of_terms, 0.0, sums)


@lru_cache(maxsize=1024)
def failure_interval(failed: int, clips: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the Clopper-Pearson confidence interval of the share of clips that fail, (low, high) in 0 to 1.

    >>> low, high = failure_interval(0, 6)
    >>> low, round(high, 3)
    (0.0, 0.459)
    """
    interval = binomtest(failed, clips).proportion_ci(confidence_level=level, method="exact")
    return float(interval.low), float(interval.high)


def _share_at_bound(values: Array, present: Array, bounds: Bounds) -> Array:
    low, high = bounds
    at_bound = np.zeros(values.shape, dtype=bool)
    if low is not None:
        at_bound |= values <= low
    if high is not None:
        at_bound |= values >= high
    with np.errstate(invalid="ignore"):
        share: Array = (at_bound & present).sum(axis=0) / present.sum(axis=0)
    return share
