"""Simulations of the statistics on data with a known truth; as a script, it prints the tables of docs/statistics.md.

Each clip has a value of each of M methods. The values of a method are functions of a normal variable z of variance 1, whose correlation between clips
of the same cluster is given; methods are independent of each other.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from hoibench.results.confidence_intervals import mean_intervals
from hoibench.results.significance import compare_pairs, leading_group

CLUSTERS = (6, 12, 24, 100)
CORRELATIONS = (0.0, 0.3, 0.7)
METHODS = (2, 4, 6)
EQUAL, UNEVEN, SINGLE = (4,), (1, 2, 3, 4, 5, 6), (1,)
"""Numbers of clips in a cluster, repeated until every cluster has clips."""
CAP = 5.0
"""Cost of a failed clip, in standard deviations of the cost above its mean."""
FAILURES = 0.1
SKEWED, SLIGHTLY_SKEWED = 0.8, 0.3
"""Standard deviations of the logarithm of skewed costs."""


def labels(clusters, sizes):
    """Labels of the clips, (C,): cluster g has ``sizes[g % len(sizes)]`` clips."""
    return np.repeat(np.arange(clusters), np.resize(sizes, clusters))


def normal(rng, clusters, correlation, columns):
    """Normal values (C, columns) of mean 0 and variance 1, correlated within clusters."""
    shared = rng.normal(size=(clusters.max() + 1, columns))[clusters]
    return np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * rng.normal(size=(len(clusters), columns))


def lognormal(z, sigma):
    """Skewed values of mean 1; ``sigma`` is the standard deviation of the logarithm."""
    return np.exp(sigma * z - sigma**2 / 2)


def clipped(z):
    """Values in 0 to 1, a sixth of them at 1, and their mean."""
    low, high = -0.8 / 0.2, (1 - 0.8) / 0.2
    density = lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)  # noqa: E731
    inside = 0.8 * (ndtr(high) - ndtr(low)) - 0.2 * (density(high) - density(low))
    return np.clip(0.8 + 0.2 * z, 0, 1), inside + (1 - ndtr(high))


def thirds(z, mean):
    """Values 0, 1/3, 2/3 and 1, as of a metric that is 0 or 1 in each of three views, with the given mean (at most 5/6)."""
    return np.searchsorted(ndtri([1 - mean - 1 / 6, 1 - mean, 1 - mean + 1 / 6]), z) / 3


def coverage(distribution, clusters, sizes, correlation, columns=10_000, seed=0):
    """Share of intervals that contain the true mean, and share of tables with an interval.

    Args:
        distribution: ``normal``, ``bounded``, or the standard deviation of the logarithm of lognormal values.
        clusters: number of clusters.
        sizes: numbers of clips in a cluster.
        correlation: correlation between clips of a cluster.
        columns: number of simulated tables.
        seed: seed.
    """
    clips = labels(clusters, sizes)
    z = normal(np.random.default_rng(seed), clips, correlation, columns)
    bounds = (0.0, 1.0) if distribution == "bounded" else (None, None)
    if distribution == "normal":
        values, mean = z, 0.0
    else:
        values, mean = clipped(z) if distribution == "bounded" else (lognormal(z, distribution), 1.0)
    found = [interval for interval in mean_intervals(values, np.ones(values.shape, bool), clips, bounds) if interval]
    return np.mean([interval.low <= mean <= interval.high for interval in found]), len(found) / columns


@dataclass(frozen=True)
class Table:
    """Simulated costs of M methods on C clips, as (C, M) arrays; lower is better.

    Attributes:
        cost: with failed clips at the cap.
        own, answered: without them.
        mean: (M,) true means of ``cost``.
    """

    cost: np.ndarray
    own: np.ndarray
    answered: np.ndarray
    mean: np.ndarray


def equal_methods(kind, rng, clips, correlation, methods):
    """A table of methods whose true means are equal, except in ``failing``, where the first method's failures make it worse.

    Args:
        kind: ``normal``; ``skewed`` (lognormal); ``unequally skewed`` (every other method only slightly); ``bounded`` (every other method
            clipped, the others in thirds); ``failing`` (normal, the first method fails on a tenth of the clips, at random); ``compensated`` (the
            same, and so much better where it answers that the means with failures at the cap are equal).
        rng: generator.
        clips: (C,) labels.
        correlation: correlation between clips of a cluster.
        methods: M.
    """
    z = normal(rng, clips, correlation, methods)
    own, answered, mean = z, np.ones(z.shape, bool), np.zeros(methods)
    if kind in ("skewed", "unequally skewed"):
        sigma = np.where((np.arange(methods) % 2 == 1) | (kind == "skewed"), SKEWED, SLIGHTLY_SKEWED)
        own = lognormal(z, sigma)
        own *= lognormal(normal(rng, clips, correlation, 1), 0.3)  # some clips are harder for all methods
    elif kind == "bounded":
        values, mean_value = clipped(z)
        own = np.where(np.arange(methods) % 2, values, thirds(z, mean_value))
    elif kind in ("failing", "compensated"):
        answered[:, 0] = rng.random(len(clips)) >= FAILURES
        if kind == "compensated":
            own[:, 0] -= CAP * FAILURES / (1 - FAILURES)
        else:
            mean[0] = CAP * FAILURES
    return Table(np.where(answered, own, CAP), own, answered, mean)


def leader(rng, clips, correlation, methods, gap):
    """A table whose first method is better than all others by ``gap`` standard deviations of the paired difference."""
    own = normal(rng, clips, correlation, methods) / np.sqrt(2)
    own[:, 0] -= gap
    return Table(own, own, np.ones(own.shape, bool), np.where(np.arange(methods), 0.0, -gap))


def staircase(rng, clips, correlation, methods, gap):
    """A table whose methods are each worse than the one before by ``gap`` standard deviations of the paired difference."""
    own = normal(rng, clips, correlation, methods) / np.sqrt(2) + gap * np.arange(methods)
    return Table(own, own, np.ones(own.shape, bool), gap * np.arange(methods))


@dataclass(frozen=True)
class Verdict:
    """Shares of simulated tables.

    Attributes:
        false: some method is declared better than one that is truly as good or better.
        true: some method is declared better than one that is truly worse.
        found: the truly best method is the best, and at least one other is separated from it.
        alone: the truly best method is the best, and all others are separated from it.
        in_group: the truly best method is in the leading group.
    """

    false: float
    true: float
    found: float
    alone: float
    in_group: float


def judge(make, clusters, sizes, correlation, methods, tables, draws, seed=0):
    """Compare the methods of many simulated tables; ``make(rng, clips, correlation, methods)`` returns a ``Table``."""
    clips, counts = labels(clusters, sizes), np.zeros(5)
    for n in range(tables):
        table = make(np.random.default_rng([seed, n]), clips, correlation, methods)
        everywhere = np.ones(table.cost.shape, bool)
        tests = compare_pairs(table.cost, everywhere, clips, table.own, table.answered, draws=draws)
        best, tied = leading_group(table.cost, everywhere, tests)
        gains = [
            (table.mean[t.second] - table.mean[t.first]) * (1 if t.difference < 0 else -1)
            for t in tests
            if t.is_separated
        ]
        truly_best = int(table.mean.argmin())
        leads = best == truly_best
        counts += [
            any(gain <= 0 for gain in gains),
            any(gain > 0 for gain in gains),
            leads and tied.sum() < methods,
            leads and tied.sum() == 1,
            tied[truly_best],
        ]
    return Verdict(*(counts / tables))


def of_kind(kind):
    """``equal_methods`` of one kind, for ``judge``."""
    return lambda rng, clips, correlation, methods: equal_methods(kind, rng, clips, correlation, methods)


def with_gap(make, gap):
    """``leader`` or ``staircase`` with one gap, for ``judge``."""
    return lambda rng, clips, correlation, methods: make(rng, clips, correlation, methods, gap)


def _print_coverage(columns):
    print(f"\nCoverage of 95 % intervals, %, {columns} means per cell: 4 clips in each cluster, then 1 to 6.\n")
    print("| clusters | correlation | normal | lognormal 0.5 | lognormal 1 | bounded | bounded, withheld |")
    print("|---|---|---|---|---|---|---|")
    for clusters in CLUSTERS:
        for correlation in CORRELATIONS:
            found = [
                [coverage(distribution, clusters, sizes, correlation, columns) for sizes in (EQUAL, UNEVEN)]
                for distribution in ("normal", 0.5, 1.0, "bounded")
            ]
            cells = [_percent(share for share, _ in both) for both in found]
            cells.append(", ".join(f"{100 * (1 - with_interval):.0f}" for _, with_interval in found[-1]))
            print(f"| {clusters} | {correlation:g} | {' | '.join(cells)} |", flush=True)


def _print_false(tables, draws):
    print(f"\nTables of equal methods with a false separation, %, {tables} tables per number, {draws} draws.\n")
    print("| data | clusters | clips per cluster | correlation | 2 methods | 4 methods | 6 methods |")
    print("|---|---|---|---|---|---|---|")
    rows = [
        ("normal", clusters, sizes, name, correlations)
        for sizes, name, correlations in ((EQUAL, "4", CORRELATIONS), (UNEVEN, "1 to 6", (0.3,)), (SINGLE, "1", (0.0,)))
        for clusters in CLUSTERS
    ]
    kinds = ("skewed", "unequally skewed", "bounded", "failing", "compensated")
    rows += [(kind, clusters, EQUAL, "4", (0.3,)) for kind in kinds for clusters in CLUSTERS]
    for kind, clusters, sizes, name, correlations in rows:
        cells = []
        for methods in METHODS:
            found = [judge(of_kind(kind), clusters, sizes, c, methods, tables, draws) for c in correlations]
            worse = f" (worse: {100 * found[0].true:.0f})" if kind == "failing" else ""
            cells.append(_percent(verdict.false for verdict in found) + worse)
        named = ", ".join(f"{c:g}" for c in correlations)
        print(f"| {kind} | {clusters} | {name} | {named} | {' | '.join(cells)} |", flush=True)


def _percent(shares):
    return ", ".join(f"{100 * share:.1f}" for share in shares)


def _print_power(tables, draws):
    print(
        f"\nPower, % of {tables} tables per cell, normal data, gaps in SDs of the paired difference, {draws} draws.\n"
    )
    print("| table | clusters x clips | methods | best found | best alone | best in its group | false separation |")
    print("|---|---|---|---|---|---|---|")
    for name, make, designs in (
        ("leader 2 SD better", with_gap(leader, 2.0), ((6, SINGLE, 0.0), (12, SINGLE, 0.0))),
        ("leader 0.5 SD better", with_gap(leader, 0.5), ((6, SINGLE, 0.0), (24, EQUAL, 0.3), (100, EQUAL, 0.3))),
        ("each 0.25 SD worse than the last", with_gap(staircase, 0.25), ((6, SINGLE, 0.0), (24, EQUAL, 0.3))),
    ):
        for clusters, sizes, correlation in designs:
            for m in METHODS:
                v = judge(make, clusters, sizes, correlation, m, tables, draws)
                shares = " | ".join(f"{100 * share:.1f}" for share in (v.found, v.alone, v.in_group, v.false))
                print(f"| {name} | {clusters} x {sizes[0]} | {m} | {shares} |", flush=True)


def main():
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--columns", type=int, default=10_000, help="means per cell of the coverage table")
    parser.add_argument("--tables", type=int, default=2_000, help="simulated tables per cell of the other two")
    parser.add_argument("--draws", type=int, default=1_999, help="draws of the wild cluster bootstrap")
    options = parser.parse_args()
    start = time.perf_counter()
    _print_coverage(options.columns)
    _print_false(options.tables, options.draws)
    _print_power(options.tables, options.draws)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
