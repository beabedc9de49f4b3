"""The bootstrap against a plain twin, its laws, and Holm by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.results import statistics
from hoibench.results.statistics import bootstrap_means, compare_pairs, holm, leading_group, mean_intervals


def twin(values, clusters, draws, seed):
    """One draw after the other: the picked clusters' clips laid end to end, and their mean."""
    labels = sorted(set(clusters.tolist()))
    picks = np.random.default_rng(seed).integers(0, len(labels), size=(draws, len(labels)))
    means = []
    for draw in picks:
        clips = [c for pick in draw for c in range(len(values)) if clusters[c] == labels[pick]]
        means.append([sum(values[c][j] for c in clips) / len(clips) for j in range(values.shape[1])])
    return np.array(means)


def scene(rng, clips=40, columns=3, clusters=25):
    return rng.normal(size=(clips, columns)), np.r_[np.arange(clusters), rng.integers(0, clusters, clips - clusters)]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 4))
def test_the_bootstrap_equals_its_plain_twin(seed, clusters, columns):
    rng = np.random.default_rng(seed)
    values, labels = scene(rng, clips=12, columns=columns, clusters=clusters)
    np.testing.assert_allclose(
        bootstrap_means(values, labels, 40, 7), twin(values, labels, 40, 7), rtol=1e-12, atol=1e-12
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-5, 5), st.floats(0.1, 5))
def test_intervals_follow_shift_and_scale_and_hold_the_mean(seed, shift, factor):
    values, labels = scene(np.random.default_rng(seed))
    present = np.ones(values.shape, bool)
    plain, moved = mean_intervals(values, present, labels), mean_intervals(factor * values + shift, present, labels)
    for a, b, mean in zip(plain, moved, values.mean(0), strict=True):
        assert (b.low, b.high) == pytest.approx((factor * a.low + shift, factor * a.high + shift), abs=1e-9)
        assert a.low < mean < a.high and a.basis == "object pairs" and a.clusters == 25


def test_missing_clips_are_never_read_and_change_only_their_own_column():
    values, labels = scene(np.random.default_rng(3), clips=60, clusters=30)
    present = np.ones(values.shape, bool)
    present[::4, 1] = False
    poisoned = np.where(present, values, np.nan)
    found = mean_intervals(poisoned, present, labels)
    assert found[0] == mean_intervals(values[:, :1], present[:, :1], labels)[0]
    assert found[1] == mean_intervals(values[present[:, 1], 1:2], np.ones((45, 1), bool), labels[present[:, 1]])[0]


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
    values, labels = scene(np.random.default_rng(2), clusters=clusters)
    interval = mean_intervals(values, np.ones(values.shape, bool), labels)[0]
    assert interval.basis == basis and interval.optimistic == (basis == "clips") and interval.clusters == clusters


def test_one_clip_has_no_interval():
    assert mean_intervals(np.ones((3, 1)), np.array([[True], [False], [False]]), np.arange(3)) == [None]


@pytest.mark.parametrize(
    "values", [np.array([[np.nan], [1.0]]), np.array([[np.inf], [1.0]]), np.zeros((0, 1)), np.zeros((3, 1))]
)
def test_missing_values_and_wrong_lengths_are_refused(values):
    with pytest.raises(ValueError, match=r"clip|missing"):
        bootstrap_means(values, np.arange(2))


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0] and holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_plain_and_the_bonferroni_value_and_keeps_the_order(p_values):
    p = np.array(p_values)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(p * len(p), 1) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_the_leading_group_holds_the_best_and_what_cannot_be_told_from_it():
    rng = np.random.default_rng(5)
    hard = rng.normal(size=(60, 1))  # clips differ far more than methods do: only pairing can tell these apart
    badness = 10 * hard + np.array([0.0, 0.0, 1.0]) + 0.3 * rng.normal(size=(60, 3))
    best, tied = leading_group(badness, np.ones(badness.shape, bool), np.arange(60))
    assert best in (0, 1) and tied.tolist() == [True, True, False]


def test_methods_are_compared_on_the_clips_that_both_have():
    badness = np.tile(np.arange(40.0)[:, None], (1, 2)) + np.array([0.0, 0.5])
    present = np.ones(badness.shape, bool)
    present[20:, 1] = False  # the worse method skipped the hard half, so its own mean looks better
    assert badness[present[:, 1], 1].mean() < badness[:, 0].mean()
    _, (p,), (first_is_worse,) = compare_pairs(np.where(present, badness, np.nan), present, np.arange(40))
    assert p < 0.05 and not first_is_worse


def test_five_clips_separate_nobody_however_clean_the_sweep():
    badness = np.array([[0.0, 100.0]] * 6)
    present = np.ones((6, 2), bool)
    assert leading_group(badness, present, np.arange(6))[1].tolist() == [True, False]
    assert leading_group(badness[:5], present[:5], np.arange(5))[1].tolist() == [True, True]


def test_many_methods_can_still_be_separated():
    rng = np.random.default_rng(6)
    badness = rng.normal(size=(60, 40))
    badness[:, 0] -= 5
    best, tied = leading_group(badness, np.ones(badness.shape, bool), np.arange(60))
    assert best == 0 and tied.sum() == 1


def test_equal_methods_are_rarely_separated():
    rng = np.random.default_rng(8)
    split = 0
    for _ in range(40):
        badness = rng.normal(size=(40, 4))
        split += not leading_group(badness, np.ones(badness.shape, bool), np.arange(40))[1].all()
    assert split <= 6  # 5 % of 40 tables is 2; 7 or more would be seen once in 300 times at that rate


def test_draws_are_multinomial_and_repeat():
    weights = statistics.cluster_weights(30)
    assert weights.shape == (10_000, 30) and (weights.sum(1) == 30).all()
    assert weights.mean() == 1 and weights.var() == pytest.approx(29 / 30, rel=0.02)
    assert np.array_equal(weights, statistics.cluster_weights.__wrapped__(30))
