"""The promises of docs/statistics.md on simulated data with a known truth: a part of the tables of tests/support/simulate_statistics.py.

Bounds are those of the page plus about two Monte-Carlo standard errors.
"""

import numpy as np
import pytest
from simulate_statistics import (
    CLUSTERS,
    CORRELATIONS,
    EQUAL,
    SINGLE,
    UNEVEN,
    clipped,
    coverage,
    judge,
    leader,
    of_kind,
    staircase,
    thirds,
    with_gap,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("sizes", [EQUAL, UNEVEN], ids=["equal", "uneven"])
@pytest.mark.parametrize("correlation", CORRELATIONS)
@pytest.mark.parametrize("clusters", CLUSTERS)
def test_intervals_cover_the_true_mean(clusters, correlation, sizes):
    share, with_interval = coverage("normal", clusters, sizes, correlation, 4000, seed=1)
    assert 0.93 <= share <= 0.97 and with_interval == 1
    assert coverage(0.5, clusters, sizes, correlation, 4000, seed=2)[0] >= 0.87
    share, with_interval = coverage("bounded", clusters, sizes, correlation, 4000, seed=3)
    assert share >= 0.87 and with_interval > 0.9


@pytest.mark.parametrize("methods", [2, 6])
@pytest.mark.parametrize(("clusters", "sizes", "correlation"), [(6, SINGLE, 0.0), (12, EQUAL, 0.5), (24, UNEVEN, 0.3)])
def test_equal_methods_are_rarely_separated(clusters, sizes, correlation, methods):
    assert judge(of_kind("normal"), clusters, sizes, correlation, methods, 400, 499, seed=1).false <= 0.07 + 0.025


@pytest.mark.parametrize("kind", ["skewed", "bounded", "failing", "compensated"])
@pytest.mark.parametrize("clusters", [6, 24])
def test_equal_methods_with_skewed_or_bounded_values_or_failures_are_rarely_separated(kind, clusters):
    assert judge(of_kind(kind), clusters, EQUAL, 0.3, 4, 400, 499, seed=1).false <= 0.1 + 0.03


@pytest.mark.parametrize("methods", [2, 4, 6])
def test_a_clear_leader_is_found_on_six_clips(methods):
    verdict = judge(with_gap(leader, 2.0), 6, SINGLE, 0.0, methods, 400, 499, seed=1)
    assert verdict.found >= 0.8 and verdict.in_group >= 0.95


@pytest.mark.parametrize(("make", "gap"), [(leader, 0.5), (staircase, 0.25)])
@pytest.mark.parametrize(("clusters", "sizes"), [(6, SINGLE), (24, EQUAL)])
def test_the_best_method_is_in_its_group(make, gap, clusters, sizes):
    assert judge(with_gap(make, gap), clusters, sizes, 0.3, 6, 200, 499, seed=1).in_group >= 0.95


def test_the_means_of_bounded_values_are_those_stated():
    z = np.random.default_rng(0).normal(size=1_000_000)
    values, mean = clipped(z)
    assert values.mean() == pytest.approx(mean, abs=1e-3) and 0.15 < (values == 1).mean() < 0.17
    assert thirds(z, mean).mean() == pytest.approx(mean, abs=1e-3) and set(thirds(z, mean)) == {0, 1 / 3, 2 / 3, 1}
