"""The wild cluster bootstrap against a plain implementation, its requirements, and tie groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_statistics import plain_cr2, plain_step_down

from hoibench.results.significance import (
    compare_pairs,
    leading_group,
    step_down,
    webb_weights,
)


def everywhere(cost):
    return np.ones(cost.shape, bool)


def group(cost, clusters):
    return leading_group(cost, everywhere(cost), compare_pairs(cost, everywhere(cost), clusters))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(6, 9), st.integers(0, 8))
def test_p_values_and_critical_value_equal_a_plain_implementation(seed, clusters, more):
    rng = np.random.default_rng(seed)
    labels = np.r_[np.arange(clusters), rng.integers(0, clusters, more)]
    cost = rng.normal([0.0, 0.8, 1.0], size=(len(labels), 3))
    present = rng.random(cost.shape) < 0.95
    tests = compare_pairs(np.where(present, cost, np.nan), present, labels, draws=39, seed=3)
    weights = webb_weights(clusters, 39, 3)
    shared = [present[:, i] & present[:, j] for i, j in ((0, 1), (0, 2), (1, 2))]
    freedom = [plain_cr2(cost[both, 0], labels[both])[2] for both in shared]
    tested = [n for n in range(3) if len(set(labels[shared[n]])) >= 6 and freedom[n] >= 4]
    pairs = [(0, 1), (0, 2), (1, 2)]
    plain = [
        {c: cost[c, i] - cost[c, j] for c in np.flatnonzero(shared[n])} for n, (i, j) in enumerate(pairs) if n in tested
    ]
    p_values, critical = plain_step_down(plain, labels, weights) if plain else ([], np.nan)
    for n, test in enumerate(tests):
        values = (cost[:, pairs[n][0]] - cost[:, pairs[n][1]])[shared[n]]
        mean, error, _ = plain_cr2(values, labels[shared[n]])
        assert (test.first, test.second, test.clips) == (*pairs[n], len(values))
        assert test.difference == pytest.approx(mean, rel=1e-9, abs=1e-12)
        assert test.low < mean < test.high and test.low + test.high == pytest.approx(2 * mean, abs=1e-9)
        if n in tested:
            assert test.p == pytest.approx(p_values[tested.index(n)], rel=1e-12)
            assert test.separable == pytest.approx(critical * error, rel=1e-7)
        else:
            assert test.p == 1 and np.isnan(test.separable)


def test_a_difference_is_significant_exactly_beyond_the_smallest_separable_one():
    rng = np.random.default_rng(2)
    for n in range(30):
        noise = rng.normal(size=10)
        cost = np.stack([noise, np.zeros(10)], axis=1)
        (test,) = compare_pairs(cost, everywhere(cost), np.arange(10), seed=n)
        assert test.is_separated == (test.p <= 0.05) == (abs(test.difference) > test.separable * (1 + 1e-8))


def test_pairs_share_their_draws_and_a_pair_of_copies_costs_nothing():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 12))
    two = compare_pairs(np.stack([a, b], 1), np.ones((12, 2), bool), np.arange(12))
    copies = compare_pairs(np.stack([a, b, b], 1), np.ones((12, 3), bool), np.arange(12))
    assert [test.p for test in copies] == [two[0].p, two[0].p, 1.0]


def test_p_values_are_corrected_for_the_given_pairs_alone():
    """Comparisons with one method pay for these alone: their p-values are at most those among all pairs."""
    cost = np.random.default_rng(5).normal([0, 0.3, 0.6, 0.9], size=(20, 4))
    clusters = np.arange(20)
    pairs = [(2, 0), (3, 0)]
    found = compare_pairs(cost, everywhere(cost), clusters, pairs=pairs, draws=199)
    differences = [dict(enumerate(cost[:, i] - cost[:, j])) for i, j in pairs]
    plain, _ = plain_step_down(differences, clusters, webb_weights(20, 199))
    np.testing.assert_allclose([test.p for test in found], plain)
    assert [(test.first, test.second) for test in found] == pairs
    every = {(test.second, test.first): test.p for test in compare_pairs(cost, everywhere(cost), clusters, draws=199)}
    assert all(test.p <= every[pair] for test, pair in zip(found, pairs, strict=True))
    assert found[0].p < every[2, 0]


def test_p_values_do_not_depend_on_the_order_of_methods_or_clips():
    rng = np.random.default_rng(4)
    cost, labels = rng.normal([0, 0.3, 0.6, 0.9], size=(30, 4)), np.r_[np.arange(10), rng.integers(0, 10, 20)]
    clips, methods = rng.permutation(30), [2, 0, 3, 1]
    plain = {(t.first, t.second): t for t in compare_pairs(cost, everywhere(cost), labels)}
    for test in compare_pairs(cost[clips][:, methods], everywhere(cost), labels[clips]):
        pair = methods[test.first], methods[test.second]
        same = plain[pair] if pair in plain else plain[pair[::-1]].reversed()
        assert same.p == test.p and same.difference == pytest.approx(test.difference, rel=1e-9)
        assert (same.low, same.high, same.separable) == pytest.approx((test.low, test.high, test.separable))


def test_draws_repeat_and_have_webbs_six_values():
    weights = webb_weights(30)
    assert weights.shape == (30, 9_999) and np.array_equal(weights, webb_weights.__wrapped__(30))
    values, counts = np.unique(weights**2, return_counts=True)
    assert values == pytest.approx([0.5, 1, 1.5]) and counts / weights.size == pytest.approx([1 / 3] * 3, abs=0.01)
    assert abs(weights.mean()) < 0.01


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_a_sweep_of_six_clusters_separates_and_one_of_five_does_not(noise):
    cost = np.array([[0.0, 5.0]] * 6)
    cost[:, 1] += noise * np.random.default_rng(0).normal(size=6)
    assert group(cost, np.arange(6))[1].tolist() == [True, False]
    assert group(cost[:5], np.arange(5))[1].tolist() == [True, True]
    assert group(np.repeat(cost[:5], 9, axis=0), np.repeat(np.arange(5), 9))[1].tolist() == [True, True]


def test_a_constant_difference_is_tested_by_the_draws_and_no_difference_has_p_1():
    cost = np.array([[0.1, 0.1, 0.3]] * 6) + np.arange(6)[:, None]
    tests = compare_pairs(cost, everywhere(cost), np.arange(6))
    drawn = webb_weights(6)
    equal = int((drawn == drawn[0]).all(axis=0).sum())  # only these draws have no spread either
    assert [test.p for test in tests] == [1.0, (equal + 1) / 10_000, (equal + 1) / 10_000]
    assert 0 < equal < 10


def test_five_clusters_with_a_difference_do_not_separate():
    cost = np.array([[0.0, 1.0]] * 8)
    cost[5:, 1] = 0.0
    (test,) = compare_pairs(cost, everywhere(cost), np.arange(8))
    assert test.p == 1 and not test.is_separated and np.isnan(test.separable)
    cost[5, 1] = 1.0
    assert compare_pairs(cost, everywhere(cost), np.arange(8))[0].p < 1


def test_one_cluster_with_most_of_the_clips_leaves_too_few_degrees_of_freedom():
    labels = np.r_[np.arange(6), np.zeros(30, dtype=int)]
    cost = np.stack([np.zeros(36), 1 + 0.1 * np.random.default_rng(0).random(36)], axis=1)
    (test,) = compare_pairs(cost, everywhere(cost), labels)
    assert test.clusters == 6 and test.p == 1 and not test.is_separated
    assert compare_pairs(cost[:6], everywhere(cost[:6]), labels[:6])[0].is_separated


def test_a_separation_needs_the_same_sign_over_answered_clips():
    """The first method is better where both answer, and worse by its failures."""
    rng = np.random.default_rng(1)
    own = np.stack([np.zeros(30), 0.5 + 0.1 * rng.random(30)], axis=1)
    answered = everywhere(own)
    answered[::2, 0] = False
    cost = np.where(answered, own, 10.0)
    (test,) = compare_pairs(cost, everywhere(own), np.arange(30), own, answered)
    assert test.difference > 0 and test.p < 0.05 and not test.is_separated
    own[:, 0] = 1.0
    cost = np.where(answered, own, 10.0)
    (test,) = compare_pairs(cost, everywhere(own), np.arange(30), own, answered)
    assert test.difference > 0 and test.is_separated
    answered[:, 0] = False
    assert not compare_pairs(cost, everywhere(own), np.arange(30), own, answered)[0].is_separated


def test_rounding_is_no_difference_over_answered_clips():
    """Twins where both answer, apart from the last digit: only failures differ."""
    own = np.tile([0.1 + 0.2, 0.3], (30, 1))
    answered = everywhere(own)
    answered[::2, 0] = False
    (test,) = compare_pairs(np.where(answered, own, 10.0), everywhere(own), np.arange(30), own, answered)
    assert own[0, 0] > own[0, 1] and test.difference > 0 and test.p < 0.05 and not test.is_separated


def test_methods_are_compared_on_the_clips_that_both_have():
    cost = np.tile(np.arange(40.0)[:, None], (1, 2)) + np.array([0.0, 0.5])
    present = everywhere(cost)
    present[20:, 1] = False  # the worse method skipped the hard half, so its mean is better
    assert cost[present[:, 1], 1].mean() < cost[:, 0].mean()
    (test,) = compare_pairs(np.where(present, cost, np.nan), present, np.arange(40))
    assert test.p < 0.05 and test.difference == pytest.approx(-0.5) and test.clips == 20


def test_methods_without_a_shared_clip_are_not_separated():
    cost = np.arange(40.0).reshape(20, 2)
    present = np.stack([np.arange(20) < 10, np.arange(20) >= 10], axis=1)
    (test,) = compare_pairs(cost, present, np.arange(20))
    assert (test.clips, test.clusters, test.p, test.is_separated) == (0, 0, 1.0, False) and np.isnan(test.difference)


def test_one_method_has_no_pairs():
    assert compare_pairs(np.ones((6, 1)), np.ones((6, 1), bool), np.arange(6)) == []


def test_the_leading_group_is_the_best_and_those_not_significantly_worse():
    rng = np.random.default_rng(5)
    hard = rng.normal(size=(60, 1))  # clips differ far more than methods: only paired tests find the difference
    cost = 10 * hard + np.array([0.0, 0.0, 1.0]) + 0.3 * rng.normal(size=(60, 3))
    best, tied = group(cost, np.arange(60))
    assert best in (0, 1) and tied.tolist() == [True, True, False]


def test_a_method_that_only_a_follower_beats_clearly_still_leads():
    """The best is erratic and not significantly better than the third, which the second beats on every clip."""
    rng = np.random.default_rng(7)
    erratic = rng.normal(size=60)
    cost = np.stack([5 * (erratic - erratic.mean()) - 0.1, np.zeros(60), 0.3 + 0.1 * rng.random(60)], axis=1)
    assert compare_pairs(cost, everywhere(cost), np.arange(60))[2].p < 0.001
    best, tied = group(cost, np.arange(60))
    assert best == 0 and tied.tolist() == [True, True, True]


def test_a_clear_pair_is_found_among_many_methods():
    rng = np.random.default_rng(6)
    cost = rng.normal(size=(60, 40))
    cost[:, 0] -= 5
    best, tied = group(cost, np.arange(60))
    assert best == 0 and tied.sum() == 1


def test_step_down_rejects_more_than_the_largest_maximum():
    """A clear first difference leaves the second to be compared with the maxima of the others only."""
    rng = np.random.default_rng(9)
    sums = rng.normal(size=(12, 20)) + np.where(np.arange(20) == 0, 9.0, 0.0) + np.where(np.arange(20) == 1, 0.9, 0.0)
    sizes = np.ones(sums.shape)
    both, critical = step_down(sums, sizes)
    alone, _ = step_down(sums[:, 1:], sizes[:, 1:])
    assert both[1] == pytest.approx(alone[0]) and critical > 3
