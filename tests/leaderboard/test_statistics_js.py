"""The page's statistics in a real browser: the same numbers as SciPy and as hoibench.results.confidence_intervals."""

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from hoibench.results.confidence_intervals import mean_intervals
from leaderboard.build import HERE

pytestmark = pytest.mark.browser
BOUNDS = ((None, None), (0.0, None), (None, 1.0), (0.0, 1.0))


@pytest.fixture(scope="module")
def statistics(chromium):
    """A page with statistics.js."""
    page = chromium.new_page()
    page.evaluate("window.hoibench = {}")
    page.add_script_tag(path=HERE / "assets" / "statistics.js")
    yield page
    page.close()


def test_quantiles_of_student_t_are_those_of_scipy(statistics):
    rng = np.random.default_rng(0)
    cases = [(0.975, float(d)) for d in np.exp(rng.uniform(0, np.log(3000), 100))] + [
        (float(p), float(d)) for p, d in zip(rng.uniform(0.51, 0.9999, 100), rng.uniform(1, 60, 100), strict=True)
    ]
    found = statistics.evaluate("cases => cases.map(([p, d]) => hoibench.statistics.tQuantile(p, d))", cases)
    assert found == pytest.approx([float(stdtrit(d, p)) for p, d in cases], rel=1e-9)


def draw_case(seed):
    """Values, cluster labels and bounds: uneven clusters, and at times values at a bound, no spread, a single cluster, or a large offset."""
    rng = np.random.default_rng(seed)
    clips, bounds = int(rng.integers(1, 60)), BOUNDS[rng.integers(4)]
    clusters = rng.integers(0, rng.integers(1, clips + 1), clips)
    values = rng.normal(0.5, 0.4, clips) + rng.normal(0, 0.4, clips + 1)[clusters]
    if bounds != (None, None):
        values = np.clip(values, -np.inf if bounds[0] is None else 0.0, np.inf if bounds[1] is None else 1.0)
    kind = rng.integers(8)
    if kind == 0:
        values[:] = 0.1
    elif kind == 1:
        values = values + (1e6 if bounds == (None, None) else 0.0)
    return values, clusters, bounds


def test_intervals_are_those_of_mean_intervals(statistics):
    cases = [draw_case(seed) for seed in range(200)]
    script = "cases => cases.map(([v, c, b]) => [hoibench.statistics.mean(v), hoibench.statistics.interval(v, c, b)])"
    found = statistics.evaluate(script, [[v.tolist(), c.tolist(), list(b)] for v, c, b in cases])
    expected = [mean_intervals(v[:, None], np.ones((len(v), 1), bool), c, b)[0] for v, c, b in cases]
    assert 20 < sum(interval is None for interval in expected) < 100
    for (mean, ours), theirs, (values, *_) in zip(found, expected, cases, strict=True):
        assert math.isclose(mean, values.mean(), rel_tol=1e-9)
        assert (ours is None) == (theirs is None)
        if theirs is not None:
            fields = [ours["low"], ours["high"], ours["degreesOfFreedom"], ours["clusters"]]
            assert fields == pytest.approx(
                [theirs.low, theirs.high, theirs.degrees_of_freedom, theirs.clusters], rel=1e-9
            )
