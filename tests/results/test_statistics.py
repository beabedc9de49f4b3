"""The bootstrap against a plain twin, its laws, and Holm by hand."""

import math

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


def test_a_method_that_only_a_follower_beats_clearly_still_leads():
    """The best one is erratic: it cannot be told from the third, which the second beats on every clip."""
    rng = np.random.default_rng(7)
    erratic = rng.normal(size=60)
    badness = np.stack([5 * (erratic - erratic.mean()) - 0.1, np.zeros(60), 0.3 + 0.1 * rng.random(60)], axis=1)
    assert compare_pairs(badness, np.ones(badness.shape, bool), np.arange(60))[1][2] < 0.001
    best, tied = leading_group(badness, np.ones(badness.shape, bool), np.arange(60))
    assert best == 0 and tied.tolist() == [True, True, True]


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


@pytest.mark.parametrize("sign", [1, -1])
def test_a_p_value_is_twice_the_share_of_draws_on_the_far_side(sign):
    """Six clips, one of which speaks against the rest: some draws of 10,000 fall on the other side."""
    badness = np.array([[0.0, 0.0]] * 6)
    badness[:, 1] = sign * np.array([1.0, 1.0, 1.0, 1.0, 1.0, -3.0])
    means = twin(badness, np.arange(6), 10_000, 0)
    difference = means[:, 0] - means[:, 1]
    far = int((sign * difference >= 0).sum())
    assert 100 < far < 3_000
    _, (p,), (first_is_worse,) = compare_pairs(badness, np.ones((6, 2), bool), np.arange(6))
    assert p == pytest.approx(2 * (far + 1) / 10_001, rel=1e-12)
    assert first_is_worse == (sign == -1)


def test_a_p_value_beyond_the_draws_is_the_normal_tail_of_both_sides():
    badness = np.stack([np.zeros(40), 1.0 + 0.5 * np.random.default_rng(0).normal(size=40)], axis=1)
    difference = bootstrap_means(badness, np.arange(40)) @ np.array([1.0, -1.0])
    assert (difference < 0).all()
    _, (p,), _ = compare_pairs(badness, np.ones((40, 2), bool), np.arange(40))
    z = abs(difference.mean()) / difference.std()
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)  # twice the tail
    assert 0 < p < 2 / 10_001


def test_a_p_value_beyond_the_draws_is_at_most_that_of_no_draw():
    """Eleven clips in sixty differ: no draw lacks all of them, yet the normal tail alone is larger than 1 in 10,001."""
    badness = np.zeros((60, 2))
    badness[:11, 1] = 1.0
    difference = bootstrap_means(badness, np.arange(60)) @ np.array([-1.0, 1.0])
    assert (difference > 0).all()
    tail = math.erfc(difference.mean() / difference.std() / math.sqrt(2)) / 2
    assert tail > 1 / 10_001
    _, (p,), _ = compare_pairs(badness, np.ones((60, 2), bool), np.arange(60))
    assert p == pytest.approx(2 / 10_001, rel=1e-12)


def test_equal_columns_have_a_p_value_of_one_and_a_constant_difference_of_zero():
    badness = np.stack([np.arange(8.0), np.arange(8.0), np.arange(8.0) + 1], axis=1)
    pairs, p_values, worse = compare_pairs(badness, np.ones((8, 3), bool), np.arange(8))
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    assert p_values.tolist() == [1.0, 0.0, 0.0] and not worse.any()


def test_clips_of_the_same_objects_count_once_in_a_comparison():
    rng = np.random.default_rng(9)
    once = np.stack([np.zeros(25), 0.3 + rng.normal(size=25)], axis=1)
    _, (alone,), _ = compare_pairs(once, np.ones(once.shape, bool), np.arange(25))
    fivefold, labels = np.repeat(once, 5, axis=0), np.repeat(np.arange(25), 5)
    _, (clustered,), _ = compare_pairs(fivefold, np.ones(fivefold.shape, bool), labels)
    assert 0.01 < alone < 0.99 and clustered == pytest.approx(alone, rel=1e-12)
    # Clips before them that one of the two lacks change nothing.
    more = np.concatenate([np.full((30, 2), 7.0), fivefold])
    present = np.ones(more.shape, bool)
    present[:30, 1] = False
    _, (among,), _ = compare_pairs(more, present, np.concatenate([np.arange(100, 130), labels]))
    assert among == pytest.approx(alone, rel=1e-12)


def test_five_shared_clips_have_a_p_value_of_one():
    badness = np.stack([np.zeros(6), np.ones(6)], axis=1)
    present = np.ones((6, 2), bool)
    present[0, 0] = False
    assert compare_pairs(badness, present, np.arange(6))[1].tolist() == [1.0]
    assert compare_pairs(badness, np.ones((6, 2), bool), np.arange(6))[1].tolist() == [0.0]


def test_an_interval_holds_the_middle_95_percent_of_the_draws():
    values = np.random.default_rng(4).exponential(size=(30, 1))
    (found,) = mean_intervals(values, np.ones((30, 1), bool), np.arange(30))
    means = bootstrap_means(values, np.arange(30))
    below, above = int((means < found.low).sum()), int((means > found.high).sum())
    assert (below, above) == (250, 250)


def test_two_clips_have_an_interval():
    (found,) = mean_intervals(np.array([[1.0], [3.0]]), np.ones((2, 1), bool), np.arange(2))
    assert (found.low, found.high, found.basis, found.clusters) == (1.0, 3.0, "clips", 2)
