import numpy as np
import plain_motion
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.metrics.chamfer import chamfer, chamfer_sq
from hoibench.metrics.cloud_distance import compare_clouds, nearest_distances, nearest_distances_of_all
from hoibench.metrics.measurement import Undefined

seeds = st.integers(0, 2**32 - 1)
AWAY = np.array([0.0, 0.0, 1.5])  # metres from the camera


def scene(seed, shape=(2, 2, 10), predicted=9):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.2, (*shape, 3)) + AWAY
    P = rng.normal(0.0, 0.2, (*shape[:2], predicted, 3)) + AWAY
    mask, valid = rng.random(shape) < 0.7, rng.random(P.shape[:3]) < 0.7
    mask[0, 0, 0] = True
    return P, X, mask, valid


def frame(points):
    return np.asarray(points, dtype=float)[None, None]


def everywhere(points):
    return np.ones(points.shape[:3], dtype=bool)


@settings(max_examples=50)
@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    P, X, m, valid = scene(seed)
    assert chamfer(P, X, m, valid, seed) == pytest.approx(plain_motion.chamfer(P, X, m, valid, seed, 1), rel=1e-9)
    assert chamfer_sq(P, X, m, valid, seed) == pytest.approx(plain_motion.chamfer(P, X, m, valid, seed, 2), rel=1e-9)


def test_trees_equal_brute_force():
    rng = np.random.default_rng(0)
    pred, truth = rng.normal(0, 0.2, (700, 3)) + AWAY, rng.normal(0, 0.2, (900, 3)) + AWAY
    table = np.sqrt(np.square(pred[:, None] - truth[None]).sum(axis=-1))
    to_truth, to_pred = nearest_distances(pred, truth)
    assert to_truth == pytest.approx(table.min(axis=1), rel=1e-12)
    assert to_pred == pytest.approx(table.min(axis=0), rel=1e-12)


def test_many_pairs_keep_their_order():
    rng = np.random.default_rng(1)
    pairs = [(rng.normal(size=(5, 3)), rng.normal(size=(6, 3))) for _ in range(20)]
    for found, pair in zip(nearest_distances_of_all(pairs), pairs, strict=True):
        assert [half.tolist() for half in found] == [half.tolist() for half in nearest_distances(*pair)]


@pytest.mark.parametrize("d", [0.001, 0.02, 0.049])
def test_two_shifted_grids_by_hand(d):
    """If d is below half the pitch, the nearest neighbour of each point is its own copy: 2 d, and 2 d^2."""
    grid = np.stack(np.meshgrid(*[0.1 * np.arange(4)] * 3), axis=-1).reshape(-1, 3) + AWAY
    P, X = frame(grid + np.array([d, 0, 0])), frame(grid)
    assert chamfer(P, X, everywhere(X)) == pytest.approx(2 * d, rel=1e-9)
    assert chamfer_sq(P, X, everywhere(X)) == pytest.approx(2 * d**2, rel=1e-9)


@given(seed=seeds)
def test_the_order_of_points_does_not_matter_and_a_cloud_has_distance_zero_to_itself(seed):
    P, X, m, valid = scene(seed)
    order = np.random.default_rng(seed).permutation(P.shape[2])
    assert chamfer(P[:, :, order], X, m, valid[:, :, order]) == pytest.approx(chamfer(P, X, m, valid), rel=1e-12)
    order = np.random.default_rng(seed).permutation(X.shape[2])
    assert chamfer(X[:, :, order], X, m, m[:, :, order]) == 0


@given(seed=seeds)
def test_chamfer_is_symmetric_invariant_and_bounded_by_the_paired_error(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.2, (1, 2, 12, 3))
    P = X + rng.normal(0.0, 0.1, X.shape)
    value, m = chamfer(P, X, everywhere(X)), everywhere(X)
    assert chamfer(X, P, m) == pytest.approx(value, rel=1e-12)
    R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert chamfer(P @ R.T + 1.0, X @ R.T + 1.0, m) == pytest.approx(value, rel=1e-9)
    assert value <= 2 * np.linalg.norm(P - X, axis=-1).mean() + 1e-12


def test_frames_without_truth_are_dropped():
    P, X, m, valid = scene(5)
    m[1] = False
    m[0, 1] = False
    alone = chamfer(P[:1, :1], X[:1, :1], m[:1, :1], valid[:1, :1])
    assert chamfer(P, X, m, valid) == pytest.approx(alone, rel=1e-12)
    with pytest.raises(Undefined):
        chamfer(P, X, np.zeros_like(m), valid)


def test_an_empty_frame_scores_like_the_camera_centre():
    P, X, m, _ = scene(6)
    nothing = np.zeros(P.shape[:3], dtype=bool)
    centre = np.zeros((*P.shape[:2], 1, 3))
    norms = np.where(m, np.linalg.norm(X, axis=-1), np.nan)
    expected = (np.nanmin(norms, axis=-1) + np.nanmean(norms, axis=-1)).mean()
    assert chamfer(P, X, m, nothing) == pytest.approx(expected)
    assert chamfer(P, X, m, nothing) > chamfer(P, X, m) > 0
    found = compare_clouds([centre[0, 0][:0]], [X[0, 0]])
    assert (found.empty.tolist(), found.thinned.tolist(), found.floor.tolist()) == ([True], [False], [[0.0, 0.0]])


@given(seed=seeds, kept=st.integers(1, 20))
def test_dropping_all_but_the_best_points_never_lowers_the_distance(seed, kept):
    """Every other point is exact, the others have an error of 1.7 cm: predicting only exact points must not pay."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.1, (1, 1, 40, 3)) + AWAY
    P = X + np.where(np.arange(40) % 2, 0.01, 0.0)[:, None]
    valid = np.zeros((1, 1, 40), dtype=bool)
    valid[..., : 2 * kept : 2] = True
    assert chamfer(P, X, everywhere(X), valid) > chamfer(P, X, everywhere(X))


def test_larger_clouds_are_thinned_and_the_floor_is_reported():
    rng = np.random.default_rng(7)
    truth = rng.uniform(0, 1, (300, 3))
    found = compare_clouds([truth, truth[:100], truth], [truth, truth, truth[:100]])
    assert found.thinned.tolist() == [False, True, True]
    assert found.linear[0].tolist() == [0, 0]
    # A smaller prediction thins the truth, which has a floor; a larger one leaves the truth complete.
    assert found.floor[0].tolist() == [0, 0] == found.floor[2].tolist()
    assert 0 < found.floor[1, 0] < 0.2
    assert 0 < found.floor[1, 1] < found.floor[1, 0]


def test_the_truth_keeps_at_least_half_of_its_points():
    line = np.column_stack([np.linspace(0, 1, 100), np.zeros((100, 2))])
    first = np.argmax(
        line @ np.random.default_rng(0).standard_normal(3)
    )  # the only point of the truth that would be left
    end = line[[first]]
    found = compare_clouds([end], [line])
    assert found.linear[0, 0] == 0
    assert found.linear[0, 1] == pytest.approx(0.5, abs=0.05)
    assert found.floor[0, 0] == pytest.approx(0.5, abs=0.05)


def test_wrong_shapes_and_nan_are_named():
    P, X, m, valid = scene(8)
    with pytest.raises(ValueError, match="pred has shape"):
        chamfer(P[:1], X, m, valid[:1])
    with pytest.raises(ValueError, match="the mask of pred has shape"):
        chamfer(P, X, m, valid[:1])
    with pytest.raises(ValueError, match=r"pred has \[nan"):
        chamfer(P * np.nan, X, m, valid)
