"""Significance of differences between methods: a wild cluster bootstrap of all pairs at once, and the group of methods that ties with the best.

C clips, G clusters (clips of the same pair of objects), J methods, P pairs of methods, B draws. Each draw multiplies the cluster sums of the
differences by random weights, the same for all pairs, as if no pair differed (Cameron, Gelbach & Miller 2008, with the six weights of Webb 2014).
The p-values are corrected for all pairs by step-down maxima (Romano & Wolf 2005). *Cost* is defined in ``clip_scores``: lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

import numpy as np

from hoibench.clip import Array
from hoibench.results.confidence_intervals import LEVEL, bell_mccaffrey, cluster_sums, drop_rounding, estimate_means

DRAWS = 9_999
SEED = 0
WEBB = np.array([-math.sqrt(1.5), -1.0, -math.sqrt(0.5), math.sqrt(0.5), 1.0, math.sqrt(1.5)])
MIN_CLUSTERS = 6
"""Two methods that differ in fewer clusters are never separated."""
MIN_DEGREES_OF_FREEDOM = 4.0
"""Nor are two whose clips are so unevenly spread over clusters that the difference has fewer Bell-McCaffrey degrees of freedom."""
TIE = 1e-9
"""Squared statistics that differ by less than this share are equal; so are a variance below this share of its terms and zero."""


@dataclass(frozen=True)
class PairedTest:
    """The comparison of two methods on the clips that both have.

    Attributes:
        first, second: indices of the two methods.
        difference: mean cost of the first minus that of the second; NaN without shared clips.
        low, high: 95 % confidence interval of the difference, for this pair alone; NaN for fewer than 2 clusters.
        p: p-value, corrected for all pairs that were compared together; 1 if there are too few clusters to separate the pair.
        separable: the smallest difference that would have been significant among these pairs with this pair's standard error; NaN if none would.
        is_separated: true if the difference is significant, and has the same sign over the clips that both methods answered.
        clips, clusters: number of shared clips and of their clusters.
    """

    first: int
    second: int
    difference: float
    low: float
    high: float
    p: float
    separable: float
    is_separated: bool
    clips: int
    clusters: int

    def reversed(self) -> PairedTest:
        """Return the same comparison with the two methods exchanged."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
        )


def leading_group(cost: Array, present: Array, tests: Sequence[PairedTest]) -> tuple[int, Array]:
    """Return the best of J methods, and a mask of the methods that cannot be separated from it.

        >>> cost = np.arange(30.0)[:, None] + [0.0, 0.0, 5.0]
        >>> present = np.ones((30, 3), bool)
        >>> leading_group(cost, present, compare_pairs(cost, present, clusters=np.arange(30)))
        (0, array([ True,  True, False]))

    Args:
        cost: (C, J) cost of each clip and method, lower is better; entries that are not ``present`` are ignored.
        present: (C, J) bool, true where a method has a cost; at least one clip for each method.
        tests: the comparisons of all pairs, from ``compare_pairs``.

    Returns:
        The best method's index, and (J,) bool, true for it and for every method that is not significantly worse.
    """
    means = np.where(present, cost, 0.0).sum(axis=0) / present.sum(axis=0)
    best = int(means.argmin())
    tied = np.ones(len(means), dtype=bool)
    for test in tests:
        winner, loser = (test.first, test.second) if test.difference < 0 else (test.second, test.first)
        if test.is_separated and winner == best:
            tied[loser] = False
    return best, tied


def compare_pairs(
    cost: Array,
    present: Array,
    clusters: Array,
    answered_cost: Array | None = None,
    answered: Array | None = None,
    *,
    pairs: Sequence[tuple[int, int]] | None = None,
    draws: int = DRAWS,
    seed: int = SEED,
) -> list[PairedTest]:
    """Compare the mean costs of pairs of methods on the clips that both have, with p-values that are corrected for these pairs.

    A separation needs a corrected p-value of at most 5 %, the same sign over the clips that both answered, at least ``MIN_CLUSTERS`` clusters with
    a difference, and ``MIN_DEGREES_OF_FREEDOM``.

        >>> cost = np.stack([np.zeros(6), [2.0, 3.0, 2.5, 2.2, 2.9, 2.4], [1.0, -1.0, 1.0, 1.0, 1.0, -3.0]], axis=1)
        >>> for test in compare_pairs(cost, np.ones((6, 3), bool), clusters=np.arange(6)):
        ...     print(test.first, test.second, round(test.difference, 2), round(test.p, 3), test.is_separated)
        0 1 -2.5 0.002 True
        0 2 0.0 0.995 False
        1 2 2.5 0.034 True

    Args:
        cost: (C, J) cost of each clip and method, lower is better, a failed clip at the metric's cap; entries that are not ``present`` are ignored.
        present: (C, J) bool, true where a method has a cost.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
        answered_cost: the cost without failed clips; None if no clip failed.
        answered: (C, J) bool, true where a method has such a cost.
        pairs: the pairs of methods (first, second) to compare, in this order; None for ``itertools.combinations(range(J), 2)``.
        draws: B, the number of draws.
        seed: seed of the draws.
    """
    first, second = pair_indices(cost.shape[1], pairs)
    if not len(first):
        return []
    both = present[:, first] & present[:, second]
    difference = _differences(cost, both, first, second)
    estimates = estimate_means(difference, both, clusters)
    half = estimates.half_width()

    member = np.unique(clusters, return_inverse=True)[1]
    sums = drop_rounding(cluster_sums(difference, member), cluster_sums(_magnitudes(cost, both, first, second), member))
    sizes = cluster_sums(both.astype(np.float64), member)
    p_values, critical = corrected_p_values(sums, sizes, draws, seed)
    same_sign = _same_sign(sums.sum(axis=0), answered_cost, answered, first, second)
    is_separated = (p_values <= 1 - LEVEL) & same_sign
    separable = np.where(np.isnan(critical), np.nan, critical * estimates.standard_error)
    return [
        PairedTest(
            first=int(first[n]),
            second=int(second[n]),
            difference=float(estimates.mean[n]),
            low=float(estimates.mean[n] - half[n]),
            high=float(estimates.mean[n] + half[n]),
            p=float(p_values[n]),
            separable=float(separable[n]),
            is_separated=bool(is_separated[n]),
            clips=int(estimates.clips[n]),
            clusters=int(estimates.clusters[n]),
        )
        for n in range(len(first))
    ]


def pair_indices(methods: int, pairs: Sequence[tuple[int, int]] | None = None) -> tuple[Array, Array]:
    """Return the first and the second method of P pairs, (P,) each: of the given ones, or of all pairs of J methods."""
    chosen = np.array(list(combinations(range(methods), 2) if pairs is None else pairs), dtype=np.int64).reshape(-1, 2)
    return chosen[:, 0], chosen[:, 1]


def corrected_p_values(sums: Array, sizes: Array, draws: int = DRAWS, seed: int = SEED) -> tuple[Array, Array]:
    """Return the p-values and critical values of ``step_down`` for P means, (P,); a mean with too few clusters to be separated has 1 and NaN."""
    degrees_of_freedom = np.nan_to_num(bell_mccaffrey(sizes))
    testable = (np.count_nonzero(sums, axis=0) >= MIN_CLUSTERS) & (degrees_of_freedom >= MIN_DEGREES_OF_FREEDOM)
    p_values, critical = np.ones(sums.shape[1]), np.full(sums.shape[1], np.nan)
    if testable.any():
        p_values[testable], critical[testable] = step_down(sums[:, testable], sizes[:, testable], draws, seed)
    return p_values, critical


def step_down(sums: Array, sizes: Array, draws: int = DRAWS, seed: int = SEED) -> tuple[Array, float]:
    """Test P means against zero by a wild cluster bootstrap-t, corrected for all of them by step-down maxima.

    The statistic is the mean divided by its CR2 standard error. Its draws are those of the values with every cluster multiplied by a random weight,
    so that the mean is zero in expectation (null hypothesis imposed). Equal statistics count as exceedances. A mean without spread
    has an infinite statistic, or zero if the mean is zero.

    Args:
        sums: (G, P) sums of the values in each cluster.
        sizes: (G, P) numbers of values in each cluster; every mean needs at least 2 clusters with values.
        draws: B, the number of draws.
        seed: seed of the draws.

    Returns:
        The corrected p-values, (P,), and the value that |t| must exceed for the first rejection at the 5 % level.
    """
    weights = webb_weights(len(sums), draws, seed)
    observed = _squared_t(sums, sizes, np.ones((len(sums), 1)))[:, 0]
    order = np.argsort(-observed, kind="stable")
    squared_t = _squared_t(sums[:, order], sizes[:, order], weights)
    maxima = np.maximum.accumulate(squared_t[::-1], axis=0)[::-1]
    exceed = np.count_nonzero(maxima >= observed[order, None] * (1 - TIE), axis=1)
    p_values = np.empty(len(observed))
    p_values[order] = np.maximum.accumulate((exceed + 1) / (draws + 1))
    allowed = round((1 - LEVEL) * (draws + 1)) - 1
    critical = math.sqrt(np.partition(maxima[0], draws - 1 - allowed)[draws - 1 - allowed])
    return p_values, critical


@lru_cache(maxsize=2)
def webb_weights(clusters: int, draws: int = DRAWS, seed: int = SEED) -> Array:
    """Return Webb's six-point weights of G clusters and B draws, (G, B): each is one of +-sqrt(1/2), +-1, +-sqrt(3/2) with probability 1/6."""
    weights: Array = WEBB[np.random.default_rng(seed).integers(0, len(WEBB), size=(clusters, draws))]
    weights.setflags(write=False)
    return weights


def _squared_t(sums: Array, sizes: Array, weights: Array) -> Array:
    """Return the squared t statistics (P, B) of the means of values whose clusters are multiplied by (G, B) weights."""
    scale = np.abs(sums).max(axis=0)
    scaled = (sums / np.where(scale > 0, scale, 1.0)).T
    n = sizes.T
    total = n.sum(axis=1, keepdims=True)
    factor = 1 / (1 - n / total)
    drawn_sum = scaled @ weights
    mean = drawn_sum / total
    squares = (factor * scaled**2) @ weights**2
    variance = squares - 2 * mean * ((factor * n * scaled) @ weights)
    variance += mean**2 * (factor * n**2).sum(axis=1, keepdims=True)
    has_spread = variance > TIE * squares
    without_spread = np.where(squares > 0, np.inf, 0.0)
    found: Array = np.divide(drawn_sum**2, variance, out=without_spread, where=has_spread)
    return found


def _differences(cost: Array, both: Array, first: Array, second: Array) -> Array:
    return np.where(both, cost[:, first] - cost[:, second], 0.0)


def _magnitudes(cost: Array, both: Array, first: Array, second: Array) -> Array:
    size = np.abs(cost)
    return np.where(both, size[:, first] + size[:, second], 0.0)


def _same_sign(
    difference: Array, answered_cost: Array | None, answered: Array | None, first: Array, second: Array
) -> Array:
    if answered_cost is None or answered is None:
        return np.ones(len(difference), dtype=bool)
    both = answered[:, first] & answered[:, second]
    over_answered = drop_rounding(
        _differences(answered_cost, both, first, second).sum(axis=0),
        _magnitudes(answered_cost, both, first, second).sum(axis=0),
    )
    same: Array = np.sign(difference) == np.sign(over_answered)
    return same
