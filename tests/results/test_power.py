"""Numbers of clusters that separate methods, against the textbook's and against simulated studies of that size."""

import numpy as np
import pytest

from hoibench.results.power import GRID, clusters_needed
from hoibench.results.significance import compare_pairs


def pilot(clusters=200, clips=1, seed=0):
    """Costs of two methods whose paired difference has mean 0.5 and standard deviation 1 between clusters."""
    rng = np.random.default_rng(seed)
    difference = np.repeat(rng.normal(size=clusters), clips)
    difference = (difference - difference.mean()) / difference.std() + 0.5
    return np.stack([difference, np.zeros(len(difference))], axis=1), np.repeat(np.arange(clusters), clips)


def everywhere(cost):
    return np.ones(cost.shape, bool)


def test_the_number_is_that_of_a_paired_t_test():
    """A difference of half a standard deviation needs 34 pairs (Cohen 1988); one of a standard deviation needs 10."""
    cost, labels = pilot()
    (half,) = clusters_needed(cost, everywhere(cost), labels)
    (whole,) = clusters_needed(cost, everywhere(cost), labels, difference=1.0)
    assert half.difference == pytest.approx(0.5) and half.clusters in (32, 40) and half.clips == half.clusters
    assert whole.clusters in (10, 12) and whole.power >= 0.8


def test_clips_of_a_cluster_count_as_the_run_has_them():
    cost, labels = pilot(clips=3)
    single, single_labels = pilot()
    (alone,) = clusters_needed(single, everywhere(single), single_labels)
    (found,) = clusters_needed(cost, everywhere(cost), labels)
    assert found.clusters == alone.clusters and found.clips == 3 * found.clusters


def test_a_study_of_that_size_separates_about_as_often_as_it_says():
    cost, labels = pilot()
    (found,) = clusters_needed(cost, everywhere(cost), labels)
    rng, separated = np.random.default_rng(1), 0
    for n in range(200):
        study = np.stack([0.5 + rng.normal(size=found.clusters), np.zeros(found.clusters)], axis=1)
        separated += compare_pairs(study, everywhere(study), np.arange(found.clusters), draws=399, seed=n)[
            0
        ].is_separated
    assert abs(separated / 200 - found.power) < 0.1


def test_more_methods_need_more_clusters():
    cost, labels = pilot()
    rng = np.random.default_rng(2)
    several = np.column_stack([cost, rng.normal(size=(200, 3))])
    (two,), many = (
        clusters_needed(cost, everywhere(cost), labels),
        clusters_needed(several, everywhere(several), labels),
    )
    assert (many[0].first, many[0].second) == (0, 1) and many[0].clusters > two.clusters
    chosen = clusters_needed(several, everywhere(several), labels, pairs=[(0, 1)])
    assert chosen == [two], "methods outside the pairs cost nothing"


def test_equal_methods_and_tiny_differences_have_no_number():
    cost, labels = pilot()
    equal = np.stack([cost[:, 0], cost[:, 0]], axis=1)
    assert clusters_needed(equal, everywhere(equal), labels)[0].clusters is None
    found = clusters_needed(cost, everywhere(cost), labels, difference=1 / GRID[-1])[0]
    assert (found.clusters, found.clips, found.power) == (None, None, None)


def test_too_few_clusters_to_learn_from_are_refused():
    cost, labels = pilot(clusters=5, clips=4)
    with pytest.raises(ValueError, match="only 5 clusters .* fewer than 6: score more clips"):
        clusters_needed(cost, everywhere(cost), labels)
