"""The clustered bootstrap of a board compared with scipy.stats.bootstrap on the same draws."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from hoibench.results.confidence_intervals import DRAWS, SEED, cluster_weights, mean_intervals

CLIPS, COLUMNS = 200, 12 * 8
VALUES = np.random.default_rng(0).lognormal(size=(CLIPS, COLUMNS))


def with_hoibench():
    cluster_weights.cache_clear()
    found = mean_intervals(VALUES, np.ones(VALUES.shape, bool), np.arange(CLIPS))
    return np.array([[interval.low, interval.high] for interval in found])


def with_scipy():
    rng = np.random.default_rng(SEED)
    found = bootstrap(
        (VALUES,), np.mean, n_resamples=DRAWS, batch=100, method="percentile", axis=0, rng=rng
    ).confidence_interval
    return np.stack([found.low, found.high], axis=1)


@pytest.mark.benchmark(group="bootstrap: 200 clips, 12 metrics, 8 methods, 10,000 draws")
@pytest.mark.parametrize("implementation", [with_hoibench, with_scipy])
def test_bootstrap(benchmark, implementation):
    intervals = benchmark.pedantic(implementation, rounds=3, iterations=1)
    np.testing.assert_allclose(intervals, with_hoibench(), rtol=1e-9)
