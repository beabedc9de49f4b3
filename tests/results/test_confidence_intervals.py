"""CR2 and Bell-McCaffrey in closed form against their matrices, and the laws of intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_statistics import plain_cr2
from scipy.stats import t as student

from hoibench.results.confidence_intervals import estimate_means, failure_interval, mean_intervals


def random_clips(rng, clips=40, columns=3, clusters=25):
    return rng.normal(size=(clips, columns)), np.r_[np.arange(clusters), rng.integers(0, clusters, clips - clusters)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 9), st.integers(0, 20))
def test_variance_and_degrees_of_freedom_are_those_of_the_matrices(seed, clusters, more):
    rng = np.random.default_rng(seed)
    values, labels = random_clips(rng, clusters + more, 3, clusters)
    values[labels == 0] += 2
    present = rng.random(values.shape) < 0.8
    present[np.unique(labels, return_index=True)[1][:2]] = True  # at least two clusters
    found = estimate_means(np.where(present, values, np.nan), present, labels)
    for j in range(3):
        mean, error, freedom = plain_cr2(values[present[:, j], j], labels[present[:, j]])
        assert found.mean[j] == pytest.approx(mean, rel=1e-10, abs=1e-12)
        assert found.standard_error[j] == pytest.approx(error, rel=1e-8, abs=1e-12)
        assert found.degrees_of_freedom[j] == pytest.approx(freedom, rel=1e-8)
        assert found.clips[j] == present[:, j].sum() and found.clusters[j] == len(set(labels[present[:, j]]))


def test_independent_clips_have_the_interval_of_the_t_test():
    values = np.random.default_rng(0).normal(size=(12, 1))
    (found,) = mean_intervals(values, np.ones((12, 1), bool), np.arange(12))
    low, high = student.interval(0.95, 11, values.mean(), values.std(ddof=1) / np.sqrt(12))
    assert (found.low, found.high, found.degrees_of_freedom) == pytest.approx((low, high, 11))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 5))
def test_intervals_follow_shift_and_scale_and_the_order_of_clips_does_not_matter(seed, shift, factor):
    rng = np.random.default_rng(seed)
    values, labels = random_clips(rng)
    present = np.ones(values.shape, bool)
    order = rng.permutation(len(values))
    plain = mean_intervals(values, present, labels)
    moved = mean_intervals((factor * values + shift)[order], present, labels[order])
    for a, b, mean in zip(plain, moved, values.mean(0), strict=True):
        assert (b.low, b.high) == pytest.approx((factor * a.low + shift, factor * a.high + shift), abs=1e-9)
        assert a.low < mean < a.high and a.clusters == 25 and 0 < a.degrees_of_freedom < 24


def test_missing_clips_are_never_read_and_change_only_their_own_column():
    values, labels = random_clips(np.random.default_rng(3), clips=60, clusters=30)
    present = np.ones(values.shape, bool)
    present[::4, 1] = False
    found = mean_intervals(np.where(present, values, np.nan), present, labels)
    alone = mean_intervals(values[present[:, 1], 1:2], np.ones((45, 1), bool), labels[present[:, 1]])
    assert found[0] == mean_intervals(values[:, :1], present[:, :1], labels)[0]
    assert (found[1].low, found[1].high, found[1].clusters) == pytest.approx(
        (alone[0].low, alone[0].high, alone[0].clusters), rel=1e-12
    )


def test_copies_of_a_clip_add_nothing():
    once = np.random.default_rng(1).normal(size=(25, 1))
    fivefold, labels = np.repeat(once, 5, axis=0), np.repeat(np.arange(25), 5)
    (clustered,) = mean_intervals(fivefold, np.ones((125, 1), bool), labels)
    (alone,) = mean_intervals(once, np.ones((25, 1), bool), np.arange(25))
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(
    ("values", "clusters"),
    [
        ([1.0], [0]),
        ([1.0, 2.0, 4.0], [7, 7, 7]),  # one cluster
        ([0.1, 0.1, 0.1], [0, 1, 2]),  # no spread
        ([1.0, 3.0, 3.0, 1.0], [0, 0, 1, 1]),  # none between clusters
    ],
)
def test_clips_that_show_no_spread_between_clusters_have_no_interval(values, clusters):
    values = np.array(values)[:, None]
    assert mean_intervals(values, np.ones(values.shape, bool), np.array(clusters)) == [None]


def test_a_column_without_clips_has_no_interval():
    values = np.ones((3, 2)) * [[1.0], [2.0], [3.0]]
    present = np.array([[True, False]] * 3)
    found = mean_intervals(values, present, np.arange(3))
    assert found[0] is not None and found[1] is None


@pytest.mark.parametrize(("at_bound", "has_interval"), [(2, True), (3, False)])
@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_with_over_a_third_of_the_values_at_a_bound_there_is_no_interval(at_bound, has_interval, bound):
    values = np.linspace(0.2, 0.8, 6)
    values[:at_bound] = bound
    for sides in ((0.0, 1.0), (0.0, None) if bound == 0 else (None, 1.0)):
        (found,) = mean_intervals(values[:, None], np.ones((6, 1), bool), np.arange(6), sides)
        assert (found is not None) == has_interval
    assert mean_intervals(values[:, None], np.ones((6, 1), bool), np.arange(6))[0] is not None


def test_an_interval_stays_within_the_bounds():
    values = np.array([0.1, 0.9, 0.2, 0.8])[:, None]
    wide, narrow = (mean_intervals(values, np.ones((4, 1), bool), [0, 0, 1, 2], b)[0] for b in ((None, None), (0, 1)))
    assert wide.low < 0 and wide.high > 1 and (narrow.low, narrow.high) == (0, 1)
    assert narrow.degrees_of_freedom == wide.degrees_of_freedom


def test_both_bounds_count_and_values_that_are_missing_do_not():
    values = np.array([0.0, 0.0, 1.0, 0.4, 0.5, 0.6, 0.0, 0.0])[:, None]
    present = np.arange(8)[:, None] < 6
    labels = np.arange(8)
    assert mean_intervals(values, present, labels, (0.0, 1.0)) == [None]
    assert mean_intervals(values, present, labels, (0.0, None))[0] is not None


def test_the_share_of_failures_has_a_clopper_pearson_interval():
    assert failure_interval(0, 6) == pytest.approx((0, 1 - 0.025 ** (1 / 6)))
    assert failure_interval(6, 6) == pytest.approx((0.025 ** (1 / 6), 1))
    low, high = failure_interval(3, 10)
    assert (round(low, 4), round(high, 4)) == (0.0667, 0.6525)
