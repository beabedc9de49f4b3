import numpy as np
import plain_motion
import plain_point_protocols
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.alignment import fit_alignment, fit_scale, fit_scale_shift
from hoibench.metrics.measurement import Failed
from hoibench.metrics.point_sets import mask_points

AWAY = np.array([0.0, 0.0, 1.5])  # metres from the camera


def cloud(seed, shape=(3, 4, 20)):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.2, (*shape, 3)) + AWAY
    return X, rng.random(shape) < 0.7, rng


@given(seed=st.integers(0, 2**32 - 1))
def test_the_closed_form_is_the_least_squares_solution(seed):
    X, m, rng = cloud(seed)
    P = 0.6 * X + rng.normal(0.0, 0.05, X.shape)
    s = fit_scale(P, X, m)
    assert s == pytest.approx(np.linalg.lstsq(P[m].reshape(-1, 1), X[m].ravel())[0][0], rel=1e-9)
    assert s == pytest.approx(plain_motion.scale(P, X, m), rel=1e-9)
    least = np.square(s * P - X)[m].sum()
    assert all(np.square(other * P - X)[m].sum() > least for other in (s * 0.999, s * 1.001))


@given(seed=st.integers(0, 2**32 - 1), c=st.floats(0.01, 100))
def test_a_scaled_prediction_is_recovered(seed, c):
    X, m, _ = cloud(seed)
    assert fit_scale(c * X, X, m) * c == pytest.approx(1.0, rel=1e-12)


def test_scales_are_fitted_per_clip_or_per_view_as_declared():
    X, m, _ = cloud(0)
    valid = np.ones_like(m)
    factors = np.array([0.5, 1.0, 2.0])
    P = X / factors[:, None, None, None]
    assert fit_alignment("metric", P, X, m, valid).scales.tolist() == [1, 1, 1]
    assert fit_alignment("per_view", P, X, m, valid).scales == pytest.approx(factors)
    shared = fit_alignment("shared", P, X, m, valid).scales
    assert len(set(shared)) == 1
    assert shared[0] == pytest.approx(fit_scale(P, X, m))


@given(seed=st.integers(0, 2**32 - 1), c=st.floats(0.01, 100))
def test_scale_and_shift_are_recovered_and_applied_to_each_view(seed, c):
    X, m, rng = cloud(seed)
    offset = rng.normal(0.0, 0.5, (3, 3))
    valid = rng.random(m.shape) < 0.8
    P = np.where((m & valid)[..., None], X / c - offset[:, None, None], 77.0)
    alignment = fit_alignment("scale_shift", P, X, m, valid)
    assert alignment.scales == pytest.approx([c] * 3, rel=1e-9)
    assert alignment.shifts == pytest.approx(c * offset, rel=1e-7, abs=1e-9)
    aligned = alignment.apply(mask_points(P, m & valid))
    assert aligned.xyz == pytest.approx(np.where((m & valid)[..., None], X, 0.0), abs=1e-9)
    assert alignment.apply_to_view(P[1], 1)[(m & valid)[1]] == pytest.approx(X[1][(m & valid)[1]], abs=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_fitted_shift_is_the_least_squares_solution(seed):
    X, m, rng = cloud(seed)
    P = 0.6 * X + rng.normal(0.0, 0.05, X.shape) - 0.3
    s, t = fit_scale_shift(P, X, m)
    assert s * P + t == pytest.approx(plain_point_protocols.scale_and_shift(P, P[m], X[m]), abs=1e-9)


def test_hidden_and_missing_points_are_ignored():
    X, m, rng = cloud(1)
    valid = rng.random(m.shape) < 0.8
    P = np.where((m & valid)[..., None], X / 3.0, 77.0)
    assert fit_alignment("shared", P, X, m, valid).scales == pytest.approx([3, 3, 3])


def test_a_view_without_true_points_keeps_scale_one():
    X, m, _ = cloud(2)
    m[1] = False
    everywhere = np.ones_like(m)
    assert fit_alignment("per_view", X / 2, X, m, everywhere).scales == pytest.approx([2, 1, 2])
    shifted = fit_alignment("scale_shift", X / 2 - 0.5, X, m, everywhere)
    assert shifted.scales == pytest.approx([2, 1, 2])
    assert shifted.shifts == pytest.approx(np.array([[1.0] * 3, [0.0] * 3, [1.0] * 3]))


def test_failed_alignments_give_their_reason():
    X, m, _ = cloud(3)
    with pytest.raises(Failed, match="expected a positive number: check the axes"):
        fit_scale(-X, X, m)
    with pytest.raises(Failed, match="expected a positive number"):
        fit_scale(0 * X, X, m)
    for mirrored in (-X, 0 * X + 1):
        with pytest.raises(Failed, match="expected a positive number"):
            fit_scale_shift(mirrored, X, m)
    few = np.zeros_like(m)
    few[0, 0, :9] = True
    with pytest.raises(Failed, match="9 true points have a valid prediction; fitting a scale needs at least 10"):
        fit_scale(X, X, few)
    few[0, 0, 9] = True
    assert fit_scale(X, X, few) == pytest.approx(1.0)
    with pytest.raises(Failed, match="0 true points have a valid prediction"):
        fit_alignment("per_view", X, X, m, np.zeros_like(m))


def test_wrong_arguments_are_named():
    X, m, _ = cloud(4)
    with pytest.raises(ValueError, match="scale is 'feet', expected one of metric, shared, per_view"):
        fit_alignment("feet", X, X, m, m)
    with pytest.raises(ValueError, match="mask has shape"):
        fit_scale(X, X, m[0])
    with pytest.raises(ValueError, match="truth has shape"):
        fit_scale(X, X[:, :2], m)


def test_an_integer_mask_is_refused():
    X, m, _ = cloud(0)
    with pytest.raises(ValueError, match="mask has dtype int64, expected bool"):
        fit_scale(X, X, m.astype(np.int64))
