"""The bootstrap against a plain implementation, and its laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_bootstrap import plain_bootstrap

from hoibench.results.confidence_intervals import bootstrap_means, cluster_weights, mean_intervals


def random_clips(rng, clips=40, columns=3, clusters=25):
    return rng.normal(size=(clips, columns)), np.r_[np.arange(clusters), rng.integers(0, clusters, clips - clusters)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 4))
def test_the_bootstrap_equals_a_plain_implementation(seed, clusters, columns):
    rng = np.random.default_rng(seed)
    values, labels = random_clips(rng, clips=12, columns=columns, clusters=clusters)
    np.testing.assert_allclose(
        bootstrap_means(values, labels, 40, 7), plain_bootstrap(values, labels, 40, 7), rtol=1e-12, atol=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 5))
def test_intervals_follow_shift_and_scale_and_contain_the_mean(seed, shift, factor):
    values, labels = random_clips(np.random.default_rng(seed))
    present = np.ones(values.shape, bool)
    plain, moved = mean_intervals(values, present, labels), mean_intervals(factor * values + shift, present, labels)
    for a, b, mean in zip(plain, moved, values.mean(0), strict=True):
        assert (b.low, b.high) == pytest.approx((factor * a.low + shift, factor * a.high + shift), abs=1e-9)
        assert a.low < mean < a.high and a.basis == "object pairs" and a.clusters == 25


def test_missing_clips_are_never_read_and_change_only_their_own_column():
    values, labels = random_clips(np.random.default_rng(3), clips=60, clusters=30)
    present = np.ones(values.shape, bool)
    present[::4, 1] = False
    poisoned = np.where(present, values, np.nan)
    found = mean_intervals(poisoned, present, labels)
    alone = (
        *mean_intervals(values[:, :1], present[:, :1], labels),
        *mean_intervals(values[present[:, 1], 1:2], np.ones((45, 1), bool), labels[present[:, 1]]),
    )
    for one, other in zip(found, alone, strict=False):
        assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-12)
        assert (one.basis, one.clusters) == (other.basis, other.clusters)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(40, 600))
    found = mean_intervals(values, np.ones(values.shape, bool), np.arange(40))
    share = np.mean([i.low <= 0 <= i.high for i in found])
    assert 0.91 < share < 0.97


def test_clusters_of_equal_clips_widen_the_interval_as_few_objects_should():
    once = np.random.default_rng(1).normal(size=(25, 1))
    fivefold, labels = np.repeat(once, 5, axis=0), np.repeat(np.arange(25), 5)
    (clustered,) = mean_intervals(fivefold, np.ones((125, 1), bool), labels)
    (alone,) = mean_intervals(once, np.ones((25, 1), bool), np.arange(25))
    assert (clustered.low, clustered.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(("clusters", "basis"), [(20, "object pairs"), (19, "clips")])
def test_under_twenty_clusters_clips_are_resampled_and_labelled_optimistic(clusters, basis):
    values, labels = random_clips(np.random.default_rng(2), clusters=clusters)
    interval = mean_intervals(values, np.ones(values.shape, bool), labels)[0]
    assert interval.basis == basis and interval.is_optimistic == (basis == "clips") and interval.clusters == clusters


def test_one_clip_has_no_interval():
    assert mean_intervals(np.ones((3, 1)), np.array([[True], [False], [False]]), np.arange(3)) == [None]


def test_draws_are_multinomial_and_repeat():
    weights = cluster_weights(30)
    assert weights.shape == (10_000, 30) and (weights.sum(1) == 30).all()
    assert weights.mean() == 1 and weights.var() == pytest.approx(29 / 30, rel=0.02)
    assert np.array_equal(weights, cluster_weights.__wrapped__(30))


def test_an_interval_contains_the_middle_95_percent_of_the_draws():
    values = np.random.default_rng(4).exponential(size=(30, 1))
    (found,) = mean_intervals(values, np.ones((30, 1), bool), np.arange(30))
    means = bootstrap_means(values, np.arange(30))
    below, above = int((means < found.low).sum()), int((means > found.high).sum())
    assert (below, above) == (250, 250)


def test_two_clips_have_an_interval():
    (found,) = mean_intervals(np.array([[1.0], [3.0]]), np.ones((2, 1), bool), np.arange(2))
    assert (found.low, found.high, found.basis, found.clusters) == (1.0, 3.0, "clips", 2)
