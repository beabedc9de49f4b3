import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.measurement import Failed, Undefined
from hoibench.metrics.point_sets import Means
from hoibench.metrics.smoothness import Smoothness, accel_error, second_difference, smoothness, smoothness_raw

seeds = st.integers(0, 2**32 - 1)
SIZE = 0.3  # metres: the RMS distance of the scene's points to their centroid


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
    for size in (SIZE, 0.05):
        result = smoothness(P, X, m, size, valid)
        value, truth, ratio = plain_motion.smoothness(P, X, m, valid, size)
        assert result.pred.value == pytest.approx(value, rel=1e-9)
        assert result.truth.value == pytest.approx(truth, rel=1e-9)
        assert result.ratio() == pytest.approx(ratio, rel=1e-9)
        assert accel_error(P, X, m, size, valid) == pytest.approx(
            plain_motion.accel_error(P, X, m, valid, size), rel=1e-9
        )
    assert smoothness_raw(P, X, m, valid) == pytest.approx(plain_motion.smoothness_raw(P, m, valid), rel=1e-9)


def test_linear_motion_is_smooth():
    P, X = path_points(0.3 * np.arange(6)), path_points(np.arange(6) ** 2)
    assert smoothness(P, X, all_valid(X), SIZE).pred.value == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("a", [0.02, -0.5])
def test_constant_acceleration_by_hand(a):
    """x = n^2 a / 2 has the second difference a."""
    X = path_points(0.5 * a * np.arange(6) ** 2)
    result = smoothness(2 * X, X, all_valid(X), 9.0)
    assert result.truth.value == pytest.approx(abs(a))
    assert result.ratio() == pytest.approx(2)
    assert accel_error(2 * X, X, all_valid(X), 9.0) == pytest.approx(abs(a))


@given(seed=seeds)
def test_a_fixed_change_of_frame_does_not_change_the_values(seed):
    P, X, m, valid = scene(seed)
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    moved = (P @ R.T + 2.0, X @ R.T + 2.0, m, SIZE, valid)
    assert smoothness(*moved).pred.value == pytest.approx(smoothness(P, X, m, SIZE, valid).pred.value, rel=1e-9)
    assert accel_error(*moved) == pytest.approx(accel_error(P, X, m, SIZE, valid), rel=1e-9)


def test_accel_error_ignores_offset_and_constant_drift():
    _, X, m, _ = scene(0)
    drift = 0.1 + 0.03 * np.arange(X.shape[1])[None, :, None, None]
    assert accel_error(X + drift, X, m, SIZE) == pytest.approx(0, abs=1e-12)


def test_a_frozen_clip_has_value_and_ratio_zero():
    _, X, m, _ = scene(1)
    frozen = np.repeat(X[:, :1], X.shape[1], axis=1)
    result = smoothness(frozen, X, m, SIZE)
    assert result.pred.value == 0
    assert result.ratio() == 0
    assert smoothness_raw(frozen, X, m) == 0
    everywhere = np.ones_like(m)  # the mean over all triples is then the mean of means
    still = smoothness(frozen, X, everywhere, SIZE).truth.value
    assert accel_error(frozen, X, everywhere, SIZE) == pytest.approx(still)


@given(seed=seeds, c=st.floats(0.0, 10.0), share=st.floats(0.1, 0.9), jerkiest=st.booleans())
def test_leaving_points_out_never_brings_a_value_nearer_to_the_truth(seed, c, share, jerkiest):
    """The jerkiest or the smoothest points go, in all frames, from a prediction that is too jerky (c > 1) or too smooth."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.02, (2, 7, 12, 3)).cumsum(axis=1)
    P = c * X * rng.exponential(1.0, 12)[:, None]
    size = np.linalg.norm(second_difference(P), axis=-1).mean(axis=1, keepdims=True)
    order = size if jerkiest else -size
    valid = np.broadcast_to(order <= np.quantile(order, share), X.shape[:3])
    m = np.ones_like(valid)
    assert accel_error(P, X, m, SIZE, valid) >= accel_error(P, X, m, SIZE)
    assert cost(smoothness(P, X, m, SIZE, valid).ratio()) >= cost(smoothness(P, X, m, SIZE).ratio())


def cost(ratio):
    return abs(np.log(np.clip(ratio, 1 / 20, 20)))


def test_a_missing_triple_scores_the_size_of_the_scene():
    a = 0.1
    X = np.concatenate([path_points(0.5 * a * np.arange(4) ** 2)] * 2, axis=2)
    valid = all_valid(X)
    valid[0, 0, 1] = False  # one of the second point's two triples goes
    assert accel_error(1.5 * X, X, all_valid(X), SIZE, valid) == pytest.approx((3 * 0.5 * a + SIZE) / 4)
    assert accel_error(9.0 * X, X, all_valid(X), SIZE) == pytest.approx(SIZE)
    result = smoothness(1.5 * X, X, all_valid(X), SIZE, valid)
    assert result.pred.value == pytest.approx((3 * 1.5 * a + SIZE) / 4)
    assert result.ratio() == pytest.approx((3 * 1.5 + SIZE / a) / 4)
    assert smoothness(0.1 * X, X, all_valid(X), SIZE, valid).ratio() == pytest.approx(3 * 0.1 / 4)
    assert smoothness_raw(1.5 * X, X, all_valid(X), valid) == pytest.approx(1.5 * a)


def test_every_triple_weighs_the_same_in_accel_error():
    """Two points in one view, one in the other: the mean over triples, not the mean of the views' means."""
    X = np.zeros((2, 3, 2, 3))
    m = np.ones((2, 3, 2), dtype=bool)
    m[1, :, 1] = False
    P = X + np.array([0.0, 0.03])[:, None, None, None] * (np.arange(3) == 1)[:, None, None] * [1.0, 0.0, 0.0]
    assert accel_error(P, X, m, SIZE) == pytest.approx(2 * 0.03 / 3)


def test_no_true_triple_is_undefined_and_no_predicted_triple_scores_as_no_answer():
    P, X, m, _ = scene(2)
    alternating = np.zeros_like(m)
    alternating[:, ::2] = True
    for metric in (smoothness, accel_error):
        with pytest.raises(Undefined, match="three consecutive frames"):
            metric(P, X, alternating, SIZE)
        with pytest.raises(Undefined):
            metric(P[:, :2], X[:, :2], m[:, :2], SIZE)
    assert accel_error(P, X, m, SIZE, alternating) == pytest.approx(SIZE)
    assert smoothness(P, X, m, SIZE, alternating).ratio() == 0
    with pytest.raises(Failed, match="no true point has valid predictions"):
        smoothness_raw(P, X, m, alternating)


def test_a_still_truth_has_no_ratio():
    P, X, m, _ = scene(3)
    result = smoothness(P, np.repeat(X[:, :1], X.shape[1], axis=1), m, SIZE)
    assert result.pred.value > 0
    assert result.ratio() is None


@pytest.mark.parametrize(("truth", "ratio"), [(1e-6, 2.0), (0.99e-6, None)])
def test_a_ratio_needs_an_accelerating_truth(truth, ratio):
    def means(value):
        return Means(value, np.array([value]), np.array([3]), 3)

    result = Smoothness(means(2 * truth), means(2 * truth), means(truth))
    assert result.ratio() == result.ratio(0) == (None if ratio is None else pytest.approx(ratio))
