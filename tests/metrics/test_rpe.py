import numpy as np
import plain_motion
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.metric_card import all_cards
from hoibench.metrics.alignment import fit_scale
from hoibench.metrics.measurement import Undefined
from hoibench.metrics.rpe import pi, rpe, rpe_uncapped

seeds = st.integers(0, 2**32 - 1)
AWAY = np.array([0.0, 0.0, 1.2])  # metres from the camera


def scene(seed, shape=(2, 3, 6), share=0.7):
    rng = np.random.default_rng(seed)
    X = rng.normal(0.0, 0.3, (*shape, 3)) + AWAY
    P = X + rng.normal(0.0, rng.choice([0.25, 1.5]), X.shape)
    mask = rng.random(shape) < share
    mask[0, 0, 0] = True
    return P, X, mask, rng.random(shape) < 0.8


def one(pred, truth):
    return np.array(pred, dtype=float).reshape(1, 1, -1, 3), np.array(truth, dtype=float).reshape(1, 1, -1, 3)


@given(seed=seeds)
def test_equal_to_plain_loops(seed):
    P, X, m, valid = scene(seed)
    errors = plain_motion.relative_errors(P, X, m, valid)
    assert rpe(P, X, m, valid) == pytest.approx(plain_motion.percent(errors), rel=1e-9)
    literal = plain_motion.relative_errors(P, X, m, valid, cap=np.inf)
    assert rpe_uncapped(P, X, m, valid) == pytest.approx(plain_motion.percent(literal), rel=1e-9)
    for threshold in (0.25, 0.10, 0.05):
        assert pi(P, X, m, valid, threshold) == pytest.approx(plain_motion.inliers(errors, threshold), rel=1e-9)


def test_by_hand():
    P, X = one([[0, 0, 2.2], [0, 0.5, 1]], [[0, 0, 2], [0, 0, 1]])
    m = np.ones((1, 1, 2), dtype=bool)
    assert rpe(P, X, m) == pytest.approx(100 * (0.1 + 0.5) / 2)
    assert pi(P, X, m) == 50


def test_truth_against_itself_is_perfect():
    _, X, m, _ = scene(0)
    assert rpe(X, X, m) == 0
    assert pi(X, X, m) == 100


def test_an_error_of_exactly_the_threshold_is_no_inlier():
    P, X = one([0, 0, 1.25], [0, 0, 1])
    m = np.ones((1, 1, 1), dtype=bool)
    assert pi(P, X, m) == 0
    assert pi(np.nextafter(P, 0), X, m) == 100


def test_the_least_divisor_is_one_centimetre():
    P, X = one([0, 0, 0.006], [0, 0, 0.001])
    assert rpe(P, X, np.ones((1, 1, 1), dtype=bool)) == pytest.approx(50)


def test_a_missing_point_scores_like_the_camera_centre():
    P, X, m, valid = scene(1)
    at_centre = np.where(valid[..., None], P, 0.0)
    assert rpe(P, X, m, valid) == pytest.approx(rpe(at_centre, X, m), rel=1e-12)
    assert rpe_uncapped(P, X, m, valid) == pytest.approx(rpe_uncapped(at_centre, X, m), rel=1e-12)
    assert rpe(P, X, m, np.zeros_like(m)) == 100
    assert pi(P, X, m, np.zeros_like(m)) == 0


@given(seed=seeds)
def test_dropping_a_good_point_raises_the_error(seed):
    _, X, m, _ = scene(seed)
    P = X * 1.1
    valid = np.ones_like(m)
    valid[tuple(np.argwhere(m)[0])] = False
    assert rpe(P, X, m, valid) > rpe(P, X, m)
    assert pi(P, X, m, valid) < pi(P, X, m)


@given(seed=seeds, share=st.floats(0.0, 1.0))
def test_leaving_points_out_never_lowers_the_error(seed, share):
    """The worst points go first: without a largest error this pays, which is why rpe has one."""
    P, X, m, _ = scene(seed)
    error = np.linalg.norm(P - X, axis=-1) / np.linalg.norm(X, axis=-1)
    valid = error <= np.quantile(error, share)
    assert rpe(P, X, m, valid) >= rpe(P, X, m) - 1e-9
    assert pi(P, X, m, valid) <= pi(P, X, m)


def test_an_answer_that_is_far_off_scores_as_none():
    P, X = one([0, 0, 9.0], [0, 0, 1])
    m = np.ones((1, 1, 1), dtype=bool)
    assert rpe(P, X, m) == 100
    assert rpe_uncapped(P, X, m) == pytest.approx(800)


@given(seed=seeds)
def test_rotations_about_the_camera_do_not_change_the_value(seed):
    P, X, m, valid = scene(seed)
    R = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))[0]
    assert rpe(P @ R.T, X @ R.T, m, valid) == pytest.approx(rpe(P, X, m, valid), rel=1e-9)


@given(seed=seeds)
def test_the_order_of_views_and_points_does_not_matter(seed):
    P, X, m, valid = scene(seed)
    order = np.random.default_rng(seed).permutation(m.shape[2])
    same = [a[::-1][:, :, order] for a in (P, X, m, valid)]
    assert rpe(*same) == pytest.approx(rpe(P, X, m, valid), rel=1e-12)


def test_points_out_of_order_are_errors():
    _, X, m, _ = scene(2)
    assert rpe(np.roll(X, 1, axis=2), X, m) > 1


def test_nothing_visible_is_undefined():
    P, X, m, _ = scene(3)
    with pytest.raises(Undefined):
        rpe(P, X, np.zeros_like(m))
    with pytest.raises(Undefined):
        pi(P, X, np.zeros_like(m))


def test_nan_in_a_valid_point_is_an_error():
    P, X, m, _ = scene(4)
    P[0, 0, 0] = np.nan
    with pytest.raises(ValueError, match=r"pred has \[nan"):
        rpe(P, X, m)


def test_leaving_out_points_that_are_far_off_improves_a_fitted_scale_as_the_card_says():
    """400 points with 1 cm of noise, of which every hundredth is 2 m off: at a given scale its omission never pays, with a fitted one it does."""
    rng = np.random.default_rng(0)
    X = rng.normal(0.0, 0.15, (1, 1, 400, 3)) + np.array([0.0, 0.0, 1.5])
    far = rng.normal(size=X.shape)
    far *= 2.0 / np.linalg.norm(far, axis=-1, keepdims=True)
    P = X + rng.normal(0.0, 0.01, X.shape) + np.where(np.arange(400)[:, None] % 100, 0.0, far)
    m = np.ones(X.shape[:3], dtype=bool)
    kept = m & (np.arange(400) % 100 > 0)

    def fitted(valid):
        return rpe(fit_scale(P, X, valid) * P, X, m, valid)

    assert rpe(P, X, m, kept) >= rpe(P, X, m)
    assert (fitted(kept), fitted(m)) == (pytest.approx(2.0, abs=0.05), pytest.approx(2.9, abs=0.05))
    assert "leaving out points that are far off pays" in all_cards()["rpe@2"].failure
