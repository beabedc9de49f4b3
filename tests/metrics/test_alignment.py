import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metrics.alignment import fit_scale, fit_scales
from hoibench.metrics.measurement import Failed

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
    assert fit_scales("metric", P, X, m, valid).tolist() == [1, 1, 1]
    assert fit_scales("per_view", P, X, m, valid) == pytest.approx(factors)
    shared = fit_scales("shared", P, X, m, valid)
    assert len(set(shared)) == 1
    assert shared[0] == pytest.approx(fit_scale(P, X, m))


def test_hidden_and_missing_points_are_ignored():
    X, m, rng = cloud(1)
    valid = rng.random(m.shape) < 0.8
    P = np.where((m & valid)[..., None], X / 3.0, 77.0)
    assert fit_scales("shared", P, X, m, valid) == pytest.approx([3, 3, 3])


def test_a_view_without_true_points_keeps_scale_one():
    X, m, _ = cloud(2)
    m[1] = False
    assert fit_scales("per_view", X / 2, X, m, np.ones_like(m)) == pytest.approx([2, 1, 2])


def test_failed_alignments_give_their_reason():
    X, m, _ = cloud(3)
    with pytest.raises(Failed, match="expected a positive number: check the axes"):
        fit_scale(-X, X, m)
    with pytest.raises(Failed, match="expected a positive number"):
        fit_scale(0 * X, X, m)
    few = np.zeros_like(m)
    few[0, 0, :9] = True
    with pytest.raises(Failed, match="9 true points have a valid prediction; fitting a scale needs at least 10"):
        fit_scale(X, X, few)
    few[0, 0, 9] = True
    assert fit_scale(X, X, few) == pytest.approx(1.0)
    with pytest.raises(Failed, match="0 true points have a valid prediction"):
        fit_scales("per_view", X, X, m, np.zeros_like(m))


def test_wrong_arguments_are_named():
    X, m, _ = cloud(4)
    with pytest.raises(ValueError, match="scale is 'feet', expected one of metric, shared, per_view"):
        fit_scales("feet", X, X, m, m)
    with pytest.raises(ValueError, match="mask has shape"):
        fit_scale(X, X, m[0])
    with pytest.raises(ValueError, match="truth has shape"):
        fit_scale(X, X[:, :2], m)


def test_an_integer_mask_is_refused():
    X, m, _ = cloud(0)
    with pytest.raises(ValueError, match="mask has dtype int64, expected bool"):
        fit_scale(X, X, m.astype(np.int64))
