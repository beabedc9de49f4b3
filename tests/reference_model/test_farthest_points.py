import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_model.generation.farthest_points import sample_farthest_points

seeds = st.integers(0, 2**32 - 1)


def plain_farthest_points(cloud, count, seed):
    """Farthest-point sampling: first along a seeded direction, ties by coordinates."""
    direction = np.random.default_rng(seed).standard_normal(3)
    remaining = sorted(tuple(float(c) for c in point) for point in cloud)
    chosen = []
    while len(chosen) < count:
        best, best_value = None, None
        for point in remaining:
            if chosen:
                value = min((point[0] - q[0]) ** 2 + (point[1] - q[1]) ** 2 + (point[2] - q[2]) ** 2 for q in chosen)
            else:
                value = point[0] * direction[0] + point[1] * direction[1] + point[2] * direction[2]
            if best is None or value > best_value:
                best, best_value = point, value
        chosen.append(best)
        remaining.remove(best)
    return chosen


def as_set(points):
    return sorted(map(tuple, points))


@given(seed=seeds, grid=st.booleans())
def test_equal_to_plain_loops(seed, grid):
    rng = np.random.default_rng(seed)
    # A coarse grid is full of ties and duplicates.
    clouds = [rng.integers(0, 3, (n, 3)).astype(float) if grid else rng.normal(size=(n, 3)) for n in (1, 7, 12)]
    counts = [int(rng.integers(1, len(cloud) + 1)) for cloud in clouds]
    for kept, cloud, count in zip(sample_farthest_points(clouds, counts, seed), clouds, counts, strict=True):
        assert kept.tolist() == [list(p) for p in plain_farthest_points(cloud, count, seed)]


@given(seed=seeds, grid=st.booleans())
def test_the_order_of_points_does_not_matter(seed, grid):
    rng = np.random.default_rng(seed)
    cloud = rng.integers(0, 3, (20, 3)).astype(float) if grid else rng.normal(size=(20, 3))
    (kept,), (other,) = sample_farthest_points([cloud], [8]), sample_farthest_points([rng.permutation(cloud)], [8])
    assert kept.tolist() == other.tolist()


def test_sampling_all_points_returns_the_cloud():
    cloud = np.random.default_rng(0).integers(0, 3, (30, 3)).astype(float)
    (kept,) = sample_farthest_points([cloud], [30])
    assert as_set(kept) == as_set(cloud)


def test_samples_do_not_depend_on_the_other_clouds():
    rng = np.random.default_rng(1)
    clouds = [rng.normal(size=(n, 3)) for n in (5, 40, 17, 40, 3)]
    counts = [4, 10, 17, 39, 1]
    together = sample_farthest_points(clouds, counts)
    alone = [sample_farthest_points([cloud], [count])[0] for cloud, count in zip(clouds, counts, strict=True)]
    assert [k.tolist() for k in together] == [k.tolist() for k in alone]
    assert [len(k) for k in together] == counts


def test_samples_spread_evenly():
    line = np.column_stack([np.linspace(0, 1, 101), np.zeros((101, 2))])
    (kept,) = sample_farthest_points([line], [5])
    assert sorted(kept[:, 0]) == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_the_seed_sets_the_first_point():
    cloud = np.random.default_rng(2).normal(size=(200, 3))
    firsts = {tuple(sample_farthest_points([cloud], [1], seed)[0][0]) for seed in range(10)}
    assert len(firsts) > 1


@pytest.mark.parametrize("count", [0, 4])
def test_an_impossible_count_is_named(count):
    with pytest.raises(ValueError, match=f"cannot sample {count} points of cloud 0, which has 3"):
        sample_farthest_points([np.zeros((3, 3))], [count])


def test_no_clouds_give_no_samples():
    assert sample_farthest_points([], []) == []
