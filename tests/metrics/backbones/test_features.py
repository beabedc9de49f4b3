"""Mutual nearest neighbours against plain loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hoibench.metrics.backbones.features import mutual_pairs


def descriptors(max_count=9):
    """Return arrays of integers, so that there are ties and distances are exact in float32."""
    return st.integers(0, max_count).flatmap(
        lambda n: arrays(np.float32, (n, 3), elements=st.integers(0, 6).map(float), fill=st.nothing())
    )


def naive_pairs(a, b, ratio=None, max_distance=None):
    """Return the mutual nearest neighbours by plain loops."""
    pairs = []
    for i, x in enumerate(a):
        to_b = [float(np.linalg.norm(x - y)) for y in b]
        if not to_b:
            continue
        j = to_b.index(min(to_b))
        to_a = [float(np.linalg.norm(b[j] - y)) for y in a]
        if to_a.index(min(to_a)) != i:
            continue
        clear = True
        if ratio is not None:
            for distances, k in ((to_b, j), (to_a, i)):
                others = distances[:k] + distances[k + 1 :]
                clear &= distances[k] < ratio * min(others, default=np.inf)
        if max_distance is not None:
            clear &= to_b[j] < max_distance
        if clear:
            pairs.append((i, j))
    return pairs


@given(descriptors(), descriptors(), st.sampled_from([None, 0.83]), st.sampled_from([None, 2.5]))
def test_pairs_equal_plain_loops(a, b, ratio, max_distance):
    assert list(map(tuple, mutual_pairs(a, b, ratio, max_distance).tolist())) == naive_pairs(a, b, ratio, max_distance)


@given(arrays(np.float32, (8, 4), elements=st.floats(-1, 1, width=32), unique=True), st.permutations(range(8)))
def test_swapping_the_images_swaps_the_pairs(a, order):
    b = (a * np.float32(1.1))[order]
    pairs, swapped = mutual_pairs(a, b, ratio=0.8), mutual_pairs(b, a, ratio=0.8)
    assert sorted(swapped[:, ::-1].tolist()) == pairs.tolist()


def test_a_permutation_is_recovered():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(50, 16)).astype(np.float32)
    order = rng.permutation(50)
    pairs = mutual_pairs(a, a[order], ratio=0.8)
    assert np.array_equal(order[pairs[:, 1]], pairs[:, 0])
    assert len(pairs) == 50


def test_a_single_descriptor_passes_the_ratio_test():
    assert mutual_pairs(np.ones((1, 3), np.float32), np.zeros((1, 3), np.float32), ratio=0.8).tolist() == [[0, 0]]
    assert mutual_pairs(np.ones((2, 3), np.float32), np.zeros((1, 3), np.float32), ratio=0.8).tolist() == []


def test_the_bounds_are_strict():
    a, b = np.array([[0.0], [10.0]], np.float32), np.array([[1.0], [10.0]], np.float32)
    assert mutual_pairs(a, b, max_distance=1.0).tolist() == [[1, 1]]
    assert mutual_pairs(a, b, max_distance=1.0001).tolist() == [[0, 0], [1, 1]]
