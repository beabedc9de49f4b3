"""Paired tests against a plain bootstrap, tie groups, and Holm's correction by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_bootstrap import plain_bootstrap

from hoibench.results.confidence_intervals import bootstrap_means
from hoibench.results.significance import compare_pairs, holm, leading_group


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.5, 0.9])).tolist() == [1.0, 1.0] and holm(np.array([])).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_the_plain_and_the_bonferroni_value_and_keeps_the_order(p_values):
    p = np.array(p_values)
    adjusted = holm(p)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(p * len(p), 1) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_the_leading_group_is_the_best_and_those_not_significantly_worse():
    rng = np.random.default_rng(5)
    hard = rng.normal(size=(60, 1))  # clips differ far more than methods: only paired tests find the difference
    cost = 10 * hard + np.array([0.0, 0.0, 1.0]) + 0.3 * rng.normal(size=(60, 3))
    best, tied = leading_group(cost, np.ones(cost.shape, bool), np.arange(60))
    assert best in (0, 1) and tied.tolist() == [True, True, False]


def test_a_method_that_only_a_follower_beats_clearly_still_leads():
    """The best is erratic and not significantly better than the third, which the second beats on every clip."""
    rng = np.random.default_rng(7)
    erratic = rng.normal(size=60)
    cost = np.stack([5 * (erratic - erratic.mean()) - 0.1, np.zeros(60), 0.3 + 0.1 * rng.random(60)], axis=1)
    assert compare_pairs(cost, np.ones(cost.shape, bool), np.arange(60))[1][2] < 0.001
    best, tied = leading_group(cost, np.ones(cost.shape, bool), np.arange(60))
    assert best == 0 and tied.tolist() == [True, True, True]


def test_methods_are_compared_on_the_clips_that_both_have():
    cost = np.tile(np.arange(40.0)[:, None], (1, 2)) + np.array([0.0, 0.5])
    present = np.ones(cost.shape, bool)
    present[20:, 1] = False  # the worse method skipped the hard half, so its mean is better
    assert cost[present[:, 1], 1].mean() < cost[:, 0].mean()
    _, (p,), (first_is_worse,) = compare_pairs(np.where(present, cost, np.nan), present, np.arange(40))
    assert p < 0.05 and not first_is_worse


def test_five_clips_separate_nobody_however_clean_the_sweep():
    cost = np.array([[0.0, 100.0]] * 6)
    present = np.ones((6, 2), bool)
    assert leading_group(cost, present, np.arange(6))[1].tolist() == [True, False]
    assert leading_group(cost[:5], present[:5], np.arange(5))[1].tolist() == [True, True]


def test_many_methods_can_still_be_separated():
    rng = np.random.default_rng(6)
    cost = rng.normal(size=(60, 40))
    cost[:, 0] -= 5
    best, tied = leading_group(cost, np.ones(cost.shape, bool), np.arange(60))
    assert best == 0 and tied.sum() == 1


def test_equal_methods_are_rarely_separated():
    rng = np.random.default_rng(8)
    split = 0
    for _ in range(40):
        cost = rng.normal(size=(40, 4))
        split += not leading_group(cost, np.ones(cost.shape, bool), np.arange(40))[1].all()
    assert split <= 6  # 5 % of 40 tables is 2; 7 or more would be seen once in 300 times at that rate


@pytest.mark.parametrize("sign", [1, -1])
def test_a_p_value_is_twice_the_share_of_draws_on_the_far_side(sign):
    """One of six clips disagrees with the rest, so some of the 10,000 draws are on the other side."""
    cost = np.array([[0.0, 0.0]] * 6)
    cost[:, 1] = sign * np.array([1.0, 1.0, 1.0, 1.0, 1.0, -3.0])
    means = plain_bootstrap(cost, np.arange(6), 10_000, 0)
    difference = means[:, 0] - means[:, 1]
    far = int((sign * difference >= 0).sum())
    assert 100 < far < 3_000
    _, (p,), (first_is_worse,) = compare_pairs(cost, np.ones((6, 2), bool), np.arange(6))
    assert p == pytest.approx(2 * (far + 1) / 10_001, rel=1e-12)
    assert first_is_worse == (sign == -1)


def test_a_p_value_beyond_the_draws_is_the_normal_tail_of_both_sides():
    cost = np.stack([np.zeros(40), 1.0 + 0.5 * np.random.default_rng(0).normal(size=40)], axis=1)
    difference = bootstrap_means(cost, np.arange(40)) @ np.array([1.0, -1.0])
    assert (difference < 0).all()
    _, (p,), _ = compare_pairs(cost, np.ones((40, 2), bool), np.arange(40))
    z = abs(difference.mean()) / difference.std()
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), rel=1e-9)  # twice the tail
    assert 0 < p < 2 / 10_001


def test_a_p_value_beyond_the_draws_is_at_most_that_of_no_draw():
    """Eleven of sixty clips differ: no draw lacks all of them, but the normal tail is larger than 1 in 10,001."""
    cost = np.zeros((60, 2))
    cost[:11, 1] = 1.0
    difference = bootstrap_means(cost, np.arange(60)) @ np.array([-1.0, 1.0])
    assert (difference > 0).all()
    tail = math.erfc(difference.mean() / difference.std() / math.sqrt(2)) / 2
    assert tail > 1 / 10_001
    _, (p,), _ = compare_pairs(cost, np.ones((60, 2), bool), np.arange(60))
    assert p == pytest.approx(2 / 10_001, rel=1e-12)


def test_equal_columns_have_a_p_value_of_one_and_a_constant_difference_of_zero():
    cost = np.stack([np.arange(8.0), np.arange(8.0), np.arange(8.0) + 1], axis=1)
    pairs, p_values, worse = compare_pairs(cost, np.ones((8, 3), bool), np.arange(8))
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    assert p_values.tolist() == [1.0, 0.0, 0.0] and not worse.any()


def test_clips_of_the_same_objects_count_once_in_a_comparison():
    rng = np.random.default_rng(9)
    once = np.stack([np.zeros(25), 0.3 + rng.normal(size=25)], axis=1)
    _, (alone,), _ = compare_pairs(once, np.ones(once.shape, bool), np.arange(25))
    fivefold, labels = np.repeat(once, 5, axis=0), np.repeat(np.arange(25), 5)
    _, (clustered,), _ = compare_pairs(fivefold, np.ones(fivefold.shape, bool), labels)
    assert 0.01 < alone < 0.99 and clustered == pytest.approx(alone, rel=1e-12)
    # Clips that one of the two lacks change nothing.
    more = np.concatenate([np.full((30, 2), 7.0), fivefold])
    present = np.ones(more.shape, bool)
    present[:30, 1] = False
    _, (among,), _ = compare_pairs(more, present, np.concatenate([np.arange(100, 130), labels]))
    assert among == pytest.approx(alone, rel=1e-12)


def test_five_shared_clips_have_a_p_value_of_one():
    cost = np.stack([np.zeros(6), np.ones(6)], axis=1)
    present = np.ones((6, 2), bool)
    present[0, 0] = False
    assert compare_pairs(cost, present, np.arange(6))[1].tolist() == [1.0]
    assert compare_pairs(cost, np.ones((6, 2), bool), np.arange(6))[1].tolist() == [0.0]
