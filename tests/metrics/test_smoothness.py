import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.measurement import Failed, Undefined
from hoibench.metrics.point_sets import Means
from hoibench.metrics.smoothness import Smoothness, accel_error, smoothness

seeds = st.integers(0, 2**32 - 1)


def scene(seed, shape=(2, 7, 5)):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.02, (*shape, 3)).cumsum(axis=1)
    P = X + rng.normal(0.0, 0.02, X.shape)
    mask, valid = rng.random(shape) < 0.85, rng.random(shape) < 0.85
    mask[0, :3, 0] = valid[0, :3, 0] = True
    return P, X, mask, valid


def path_points(path):
    """Return (1, N, 1, 3): one point on a path of x coordinates."""
    return np.asarray(path, dtype=float)[None, :, None, None] * [1.0, 0.0, 0.0]


def all_valid(points):
    return np.ones(points.shape[:3], dtype=bool)


@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    P, X, m, valid = scene(seed)
    result = smoothness(P, X, m, valid)
    value, truth, coverage, ratio = plain_motion.smoothness(P, X, m, valid)
    assert result.pred.value == pytest.approx(value, rel=1e-9)
    assert result.truth.value == pytest.approx(truth, rel=1e-9)
    assert result.coverage == pytest.approx(coverage, rel=1e-12)
    assert result.ranked_ratio == pytest.approx(ratio, rel=1e-9)
    assert accel_error(P, X, m, valid) == pytest.approx(plain_motion.accel_error(P, X, m, valid), rel=1e-9)


def test_linear_motion_is_smooth():
    P, X = path_points(0.3 * np.arange(6)), path_points(np.arange(6) ** 2)
    assert smoothness(P, X, all_valid(X)).pred.value == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("a", [0.02, -0.5])
def test_constant_acceleration_by_hand(a):
    """x = n^2 a / 2 has the second difference a."""
    X = path_points(0.5 * a * np.arange(6) ** 2)
    result = smoothness(2 * X, X, all_valid(X))
    assert result.truth.value == pytest.approx(abs(a))
    assert result.ratio() == pytest.approx(2)
    assert accel_error(2 * X, X, all_valid(X)) == pytest.approx(abs(a))


@given(seed=seeds)
def test_a_fixed_change_of_frame_does_not_change_the_values(seed):
    P, X, m, valid = scene(seed)
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    moved = (P @ R.T + 2.0, X @ R.T + 2.0, m, valid)
    assert smoothness(*moved).pred.value == pytest.approx(smoothness(P, X, m, valid).pred.value, rel=1e-9)
    assert accel_error(*moved) == pytest.approx(accel_error(P, X, m, valid), rel=1e-9)


def test_accel_error_ignores_offset_and_constant_drift():
    _, X, m, _ = scene(0)
    drift = 0.1 + 0.03 * np.arange(X.shape[1])[None, :, None, None]
    assert accel_error(X + drift, X, m) == pytest.approx(0, abs=1e-12)


def test_a_frozen_clip_has_value_and_ratio_zero():
    _, X, m, _ = scene(1)
    frozen = np.repeat(X[:, :1], X.shape[1], axis=1)
    result = smoothness(frozen, X, m)
    assert result.pred.value == 0
    assert result.ranked_ratio == 0
    assert accel_error(frozen, X, m) == pytest.approx(result.truth.value)


@given(seed=seeds, c=st.floats(0.1, 10.0))
def test_missing_points_move_the_ranked_ratio_away_from_one(seed, c):
    _, X, m, _ = scene(seed)
    valid = np.ones_like(m)
    valid[0, 1, 0] = False
    m[0, 3:6, 1] = True
    full_result, partial = smoothness(c * X, X, m), smoothness(c * X, X, m, valid)
    assert partial.ratio() == pytest.approx(c)
    assert abs(np.log(partial.ranked_ratio)) > abs(np.log(full_result.ranked_ratio))


def test_a_missing_triple_scores_at_rest_or_as_the_mean_of_the_others():
    a = 0.1
    X = np.concatenate([path_points(0.5 * a * np.arange(4) ** 2)] * 2, axis=2)
    valid = all_valid(X)
    valid[0, 0, 1] = False  # one of the second point's two triples goes
    for factor, missing in ((1.5, 1.0 * a), (4.0, 3.0 * a)):
        error = abs(factor - 1) * a
        assert accel_error(factor * X, X, all_valid(X), valid) == pytest.approx((3 * error + missing) / 4)


@given(seed=seeds)
def test_dropping_average_points_never_lowers_the_error(seed):
    _, X, m, valid = scene(seed)
    assert accel_error(1.3 * X, X, m, valid) >= accel_error(1.3 * X, X, m) - 1e-12


def test_no_true_triple_is_undefined_and_no_predicted_triple_fails():
    P, X, m, _ = scene(2)
    alternating = np.zeros_like(m)
    alternating[:, ::2] = True
    for metric in (smoothness, accel_error):
        with pytest.raises(Undefined, match="three consecutive frames"):
            metric(P, X, alternating)
        with pytest.raises(Undefined):
            metric(P[:, :2], X[:, :2], m[:, :2])
        with pytest.raises(Failed, match="no true point has valid predictions"):
            metric(P, X, m, alternating)


def test_a_still_truth_has_no_ratio():
    P, X, m, _ = scene(3)
    result = smoothness(P, np.repeat(X[:, :1], X.shape[1], axis=1), m)
    assert result.pred.value > 0
    assert result.ratio() is None
    assert result.ranked_ratio is None


@pytest.mark.parametrize(("truth", "ratio"), [(1e-6, 2.0), (0.99e-6, None)])
def test_a_ratio_needs_an_accelerating_truth(truth, ratio):
    def means(value):
        return Means(value, np.array([value]), np.array([3]), 3)

    result = Smoothness(means(2 * truth), means(truth), 0.5)
    assert result.ratio() == result.ratio(0) == (None if ratio is None else pytest.approx(ratio))
    assert result.ranked_ratio == (None if ratio is None else pytest.approx(4.0))


def test_the_ranked_ratio_moves_away_from_one_on_either_side():
    def result(pred):
        return Smoothness(
            Means(pred, np.array([pred]), np.array([3]), 3), Means(1.0, np.ones(1), np.array([3]), 3), 0.5
        )

    assert [result(pred).ranked_ratio for pred in (0.5, 1.0, 2.0)] == [0.25, 2.0, 4.0]
