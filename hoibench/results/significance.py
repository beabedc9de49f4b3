"""Significance of differences between methods: paired bootstrap tests, Holm's correction, and the group of methods that ties with the best.

C clips, J methods. The tests use the draws of ``confidence_intervals``; the step-down correction is Holm's (1979). *Cost* is defined in
``clip_scores``: lower is better.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from scipy.special import ndtr

from hoibench.clip import Array
from hoibench.results.confidence_intervals import LEVEL, bootstrap_means, group_by_clips, resampling_units

MIN_PAIRED = 6
"""Fewer clips never separate two methods: even a clean sweep of five has probability 1/16 under a two-sided sign test."""


def leading_group(cost: Array, present: Array, clusters: Array, level: float = LEVEL) -> tuple[int, Array]:
    """Return the best of J methods, and a mask of the methods that are not significantly worse.

    Every pair of methods is compared on the clips that both have. Holm's correction covers all pairs, because the best method is chosen from the
    same data.

        >>> cost = np.arange(30.0)[:, None] + [0.0, 0.0, 5.0]
        >>> leading_group(cost, np.ones((30, 3), bool), clusters=np.arange(30))
        (0, array([ True,  True, False]))

    Args:
        cost: (C, J) cost of each clip and method, lower is better; entries that are not ``present`` are ignored.
        present: (C, J) bool, true where a method has a cost; at least one clip for each method.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.
        level: confidence level.

    Returns:
        The best method's index, and (J,) bool, true for it and for every method that is not significantly worse.
    """
    means = np.array([cost[present[:, j], j].mean() for j in range(cost.shape[1])])
    best = int(means.argmin())
    pairs, p_values, first_is_worse = compare_pairs(cost, present, clusters)
    rejected = holm(p_values) <= 1 - level
    tied = np.ones(len(means), dtype=bool)
    for (i, j), reject, i_is_worse in zip(pairs, rejected, first_is_worse, strict=True):
        loser, winner = (i, j) if i_is_worse else (j, i)
        if reject and winner == best:
            tied[loser] = False
    return best, tied


def compare_pairs(cost: Array, present: Array, clusters: Array) -> tuple[list[tuple[int, int]], Array, Array]:
    """Compare the mean costs of every pair of methods by a two-sided paired bootstrap test, on the clips that both have.

        >>> cost = np.stack([np.zeros(6), np.ones(6), [1.0, 1.0, 1.0, 1.0, 1.0, -3.0]], axis=1)
        >>> pairs, p_values, first_is_worse = compare_pairs(cost, np.ones((6, 3), bool), clusters=np.arange(6))
        >>> pairs
        [(0, 1), (0, 2), (1, 2)]
        >>> p_values.round(2)
        array([0.  , 0.51, 0.68])
        >>> first_is_worse
        array([False, False,  True])

    Args:
        cost: (C, J) cost of each clip and method, lower is better; entries that are not ``present`` are ignored.
        present: (C, J) bool, true where a method has a cost.
        clusters: (C,) labels of the clips, equal for clips of the same pair of objects.

    Returns:
        The P pairs of methods as indices, their (P,) uncorrected p-values, and (P,) bool, true if the first of the pair is worse on average. A pair
        with fewer than ``MIN_PAIRED`` clips has p-value 1.
    """
    pairs = list(combinations(range(cost.shape[1]), 2))
    p_values, first_is_worse = np.ones(len(pairs)), np.zeros(len(pairs), dtype=bool)
    both = (
        np.stack([present[:, i] & present[:, j] for i, j in pairs], axis=1)
        if pairs
        else np.zeros((len(present), 0), bool)
    )
    for clips, members in group_by_clips(both):
        if clips.sum() < MIN_PAIRED:
            continue
        columns = sorted({column for m in members for column in pairs[m]})
        units, _, _ = resampling_units(clusters[clips])
        observed = cost[np.ix_(clips, columns)]
        means, index_of = bootstrap_means(observed, units), {column: n for n, column in enumerate(columns)}
        for m in members:
            i, j = (index_of[column] for column in pairs[m])
            p_values[m] = _two_sided(means[:, i] - means[:, j])
            first_is_worse[m] = observed[:, i].mean() > observed[:, j].mean()
    return pairs, p_values, first_is_worse


def holm(p_values: Array) -> Array:
    """Return p-values adjusted for multiple tests by Holm's step-down method, in the given order.

    >>> holm(np.array([0.01, 0.04, 0.03, 0.005]))
    array([0.03, 0.06, 0.06, 0.02])
    """
    order = np.argsort(p_values, kind="stable")
    steps = len(p_values) - np.arange(len(p_values))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(np.maximum.accumulate(p_values[order] * steps), 1.0)
    return adjusted


def _two_sided(differences: Array) -> float:
    """Return the two-sided p-value of the bootstrap draws of a difference, (B,): twice the share of draws on the less frequent side of zero.

    If no draw is on that side, use the tail of a normal distribution with the draws' mean and deviation, if that is smaller.
    """
    far = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    tail: float = (far + 1) / (len(differences) + 1)
    if far == 0:
        spread = float(differences.std())
        tail = min(tail, float(ndtr(-abs(differences.mean()) / spread)) if spread > 0 else 0.0)
    return float(min(2 * tail, 1.0))
