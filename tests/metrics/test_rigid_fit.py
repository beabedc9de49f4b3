import numpy as np
import plain_interaction as plain
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hoibench.metrics.rigid_fit import axis_angle, fit_rigid, rotation_angle

seeds = st.integers(0, 2**32 - 1)


def sets_of_points(seed, noise=0.02, shape=(2, 3, 9)):
    """Sources (K, 3), targets (2, 3, K, 3) that are moved sources with noise, a mask that leaves at least 5, and the motions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.1, (shape[-1], 3))
    R = Rotation.random(6, rng=rng).as_matrix().reshape(*shape[:2], 3, 3)
    t = rng.normal(size=(*shape[:2], 3))
    p = x @ R.mT + t[..., None, :] + rng.normal(0, noise, (*shape, 3))
    mask = rng.random(shape) < 0.7
    mask[..., :5] = True
    return x, p, mask, R, t


@given(seed=seeds)
def test_equal_to_horn_s_quaternions(seed):
    x, p, mask, _, _ = sets_of_points(seed)
    fits = fit_rigid(x, p, mask)
    assert fits.determined.all()
    for index in np.ndindex(2, 3):
        R, t = plain.fit(x[mask[index]], p[index][mask[index]])
        np.testing.assert_allclose(fits.R[index], R, atol=1e-9)
        np.testing.assert_allclose(fits.t[index], t, atol=1e-9)


@given(seed=seeds)
def test_motions_are_recovered_and_points_outside_the_mask_do_not_matter(seed):
    x, p, mask, R, t = sets_of_points(seed, noise=0.0)
    p = np.where(mask[..., None], p, 7.0)
    fits = fit_rigid(x, p, mask)
    np.testing.assert_allclose(fits.R, R, atol=1e-9)
    np.testing.assert_allclose(fits.t, t, atol=1e-9)
    assert fits.apply(x)[mask] == pytest.approx(p[mask], abs=1e-9)
    same = fit_rigid(np.broadcast_to(x, p.shape), p, mask)
    np.testing.assert_allclose(same.R, fits.R, atol=1e-12)


@given(seed=seeds)
def test_no_other_rotation_fits_better_and_none_is_a_reflection(seed):
    x, p, mask, _, _ = sets_of_points(seed, noise=0.1)
    p[0] = x * [1, 1, -1]  # mirrored
    fits = fit_rigid(x, p, mask)
    assert np.linalg.det(fits.R) == pytest.approx(1.0)
    least = (np.square(fits.apply(x) - p).sum(-1) * mask).sum(-1)
    for turn in Rotation.random(20, rng=np.random.default_rng(seed)).as_rotvec():
        R = Rotation.from_rotvec(0.3 * turn).as_matrix() @ fits.R
        t = (mask[..., None] * (p - x @ R.mT)).sum(-2) / mask.sum(-1)[..., None]
        other = (np.square(x @ R.mT + t[..., None, :] - p).sum(-1) * mask).sum(-1)
        assert (other >= least - 1e-12).all()


def test_points_that_show_no_rotation_are_undetermined():
    x, p, mask, _, _ = sets_of_points(0)
    line = np.linspace(0, 1, 9)[:, None] * [1.0, 2.0, 3.0]
    assert not fit_rigid(x, np.broadcast_to(line, p.shape), mask).determined.any()
    one_place = 1.5 + np.random.default_rng(0).normal(0, 1e-7, p.shape)  # rounding of float32
    assert not fit_rigid(x, one_place, mask).determined.any()
    for number in range(3):
        assert not fit_rigid(x, p, np.broadcast_to(np.arange(9) < number, mask.shape)).determined.any()
    assert fit_rigid(x, p, np.broadcast_to(np.arange(9) < 3, mask.shape)).determined.all()
    assert fit_rigid(x, 0.1 * p, mask).determined.all()  # a smaller copy has a rotation


@given(seed=seeds, degrees=st.sampled_from([0.0, 1e-7, 1e-3, 10.0, 90.0, 179.0, 180.0]))
def test_angles_are_exact_at_both_ends(seed, degrees):
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    start, turn = Rotation.random(rng=rng), Rotation.from_rotvec(np.radians(degrees) * axis)
    assert rotation_angle((turn * start).as_matrix(), start.as_matrix()) == pytest.approx(degrees, abs=1e-7, rel=1e-6)
    side = np.cross(axis, [1.0, 0, 0])
    assert axis_angle(turn.apply(side), side) == pytest.approx(degrees, abs=1e-7, rel=1e-6)


def test_shapes_that_do_not_fit_are_refused():
    x, p, mask, _, _ = sets_of_points(0)
    with pytest.raises(ValueError, match=r"source has shape \(8, 3\)"):
        fit_rigid(x[:8], p, mask)
    with pytest.raises(ValueError, match="target has shape"):
        fit_rigid(x, p[..., :2], mask)
    with pytest.raises(ValueError, match="expected bool"):
        fit_rigid(x, p, mask.astype(int))
