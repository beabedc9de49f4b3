"""Statistical power: the number of clusters that would separate methods, by simulation from the clusters of a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from hoibench.clip import Array
from hoibench.results.confidence_intervals import LEVEL, cluster_sums
from hoibench.results.significance import MIN_CLUSTERS, corrected_p_values, pair_indices

POWER = 0.8
TABLES, DRAWS, SEED = 200, 399, 0
GRID = (6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 160, 192, 256, 320, 384, 512, 640, 768, 1024)
"""Numbers of clusters that are tried."""


@dataclass(frozen=True)
class Needed:
    """The number of clusters that separates two methods with a given power.

    Attributes:
        first, second: indices of the two methods.
        difference: the assumed mean cost of the first minus that of the second.
        clusters: number of clusters, one of ``GRID``; None if the largest is too few, or if the difference is zero.
        clips: number of clips in as many clusters of the run's mean size; None without ``clusters``.
        power: share of simulated tables in which the pair was separated, at that number of clusters; None without it.
    """

    first: int
    second: int
    difference: float
    clusters: int | None
    clips: int | None
    power: float | None


def clusters_needed(
    cost: Array,
    present: Array,
    clusters: Array,
    difference: float | None = None,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    power: float = POWER,
    tables: int = TABLES,
    seed: int = SEED,
) -> list[Needed]:
    """Estimate how many clusters would separate pairs of methods, at the 5 % level corrected for these pairs.

    Each simulated table draws clusters of the run with replacement, all methods' clips together. Their differences are moved to the assumed
    mean, and spread as the CR2 variance says. The table is tested as ``compare_pairs`` tests, with fewer draws.

        >>> rng = np.random.default_rng(0)
        >>> cost = rng.normal(size=(30, 2)) + [0.0, 1.0]
        >>> clusters_needed(cost, np.ones((30, 2), bool), np.arange(30), difference=1.0)[0].clusters
        10

    Args:
        cost: (C, J) cost of each clip and method, lower is better; entries that are not ``present`` are ignored.
        present: (C, J) bool, true where a method has a cost.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
        difference: the difference in cost to be separated; None for the difference that each pair has.
        pairs: the pairs of methods (first, second); None for all.
        power: the share of tables in which the pair should be separated.
        tables: number of simulated tables for each number of clusters.
        seed: seed of the simulation.

    Raises:
        ValueError: a pair shares clips of fewer than ``MIN_CLUSTERS`` clusters.
    """
    first, second = pair_indices(cost.shape[1], pairs)
    both = present[:, first] & present[:, second]
    member = np.unique(clusters, return_inverse=True)[1]
    sizes = cluster_sums(both.astype(np.float64), member)
    fewest = int(np.count_nonzero(sizes, axis=0).min(initial=len(sizes)))
    if fewest < MIN_CLUSTERS:
        raise ValueError(
            f"two methods share clips of only {fewest} clusters (pairs of object instances), and the spread between clusters cannot be estimated "
            f"from fewer than {MIN_CLUSTERS}: score more clips"
        )
    observed = np.where(both, cost[:, first] - cost[:, second], 0.0)
    mean = observed.sum(axis=0) / sizes.sum(axis=0)
    residuals = cluster_sums(np.where(both, observed - mean, 0.0), member) / np.sqrt(1 - sizes / sizes.sum(axis=0))
    gaps = mean if difference is None else np.full(len(first), float(difference))
    found: list[tuple[int, float] | None] = [None] * len(first)
    least = _least(residuals, sizes, gaps, power)
    for count in GRID:
        open_pairs = [n for n in range(len(first)) if found[n] is None and np.isfinite(least[n])]
        if not open_pairs or min(least[n] for n in open_pairs) > GRID[-1]:
            break
        if all(least[n] > count for n in open_pairs):
            continue
        shares = _separated(residuals, sizes, gaps, count, tables, seed)
        for n in open_pairs:
            if shares[n] >= power:
                found[n] = count, float(shares[n])
    return [_needed((int(first[n]), int(second[n])), float(gaps[n]), found[n], sizes[:, n]) for n in range(len(first))]


def _least(residuals: Array, sizes: Array, gaps: Array, power: float) -> Array:
    """Return numbers of clusters that are too few, four fifths of those of an uncorrected z test; infinite without a gap, (P,)."""
    deviation = np.sqrt((residuals**2).mean(axis=0)) / sizes.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rough: Array = 0.8 * (max(ndtri((1 + LEVEL) / 2) + ndtri(power), 0.0) * deviation / gaps) ** 2
    return np.where(gaps == 0, np.inf, rough)


def _separated(residuals: Array, sizes: Array, gaps: Array, count: int, tables: int, seed: int) -> Array:
    """Return the share of simulated tables of ``count`` clusters in which each pair is separated in the direction of its gap, (P,)."""
    separated = np.zeros(len(gaps))
    for n in range(tables):
        drawn = np.random.default_rng([seed, count, n]).integers(0, len(sizes), size=count)
        drawn_sizes = sizes[drawn]
        sums = residuals[drawn] + drawn_sizes * gaps
        usable = np.count_nonzero(drawn_sizes, axis=0) >= 2
        p_values = np.ones(len(gaps))
        p_values[usable] = corrected_p_values(sums[:, usable], drawn_sizes[:, usable], DRAWS, seed)[0]
        separated += (p_values <= 1 - LEVEL) & (np.sign(sums.sum(axis=0)) == np.sign(gaps))
    return separated / tables


def _needed(pair: tuple[int, int], gap: float, found: tuple[int, float] | None, sizes: Array) -> Needed:
    if found is None:
        return Needed(*pair, gap, None, None, None)
    clusters, share = found
    return Needed(*pair, gap, clusters, int(np.ceil(clusters * sizes.mean())), share)
