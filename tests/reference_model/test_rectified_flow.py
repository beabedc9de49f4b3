from itertools import pairwise

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from reference_model.mjd.tokens import replace_first_frame
from reference_model.rectified_flow import (
    clean,
    euler_step,
    interpolate,
    sample_time,
    shift_time,
    time_grid,
    velocity,
)

shifts = st.floats(0.05, 50)
times = st.floats(0, 1, width=32)
SHAPE = (2, 3, 4, 5, 6, 7)
"""B, V, C, n, h, w."""


def sample_normal(seed=0, shape=SHAPE):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# The grid


@pytest.mark.parametrize(
    ("steps", "s", "expected"),
    [
        (1, 5, [1, 0]),
        (4, 1, [1, 0.75, 0.5, 0.25, 0]),
        (4, 3, [1, 0.9, 0.75, 0.5, 0]),  # 3 * .75 / 2.5, 3 * .5 / 2, 3 * .25 / 1.5
    ],
)
def test_the_grid_by_hand(steps, s, expected):
    torch.testing.assert_close(time_grid(steps, s), torch.tensor(expected, dtype=torch.float32), atol=0, rtol=1e-7)


def test_the_base_models_grid_is_shifted_once():
    grid = time_grid(50, 5)
    assert grid.dtype == torch.float32
    assert grid.shape == (51,)
    assert grid[-2].item() == pytest.approx(
        0.1 / 1.08, abs=1e-8
    )  # not the 0.0244 of a range whose end was shifted before
    assert grid[0] == 1
    assert grid[-1] == 0


@given(st.integers(1, 200), shifts)
def test_a_grid_falls_from_one_to_zero(steps, s):
    grid = time_grid(steps, s)
    assert len(grid) == steps + 1
    assert grid[0] == 1
    assert grid[-1] == 0
    assert (grid.diff() < 0).all()


# The shift


@given(st.lists(times, min_size=2, max_size=2), shifts)
def test_the_shift_keeps_the_order_and_both_ends(pair, s):
    low, high = sorted(pair)
    assert shift_time(0.0, s) == 0
    assert shift_time(1.0, s) == 1
    assert 0 <= shift_time(low, s) <= shift_time(high, s) <= 1
    if high - low > 1e-6:
        assert shift_time(low, s) < shift_time(high, s)


@given(times, shifts)
def test_the_inverse_of_a_shift_is_the_inverse_shift(sigma, s):
    assert shift_time(shift_time(sigma, s), 1 / s) == pytest.approx(sigma, abs=1e-12)
    assert shift_time(sigma, 1) == sigma


@given(st.lists(times, min_size=1, max_size=5), shifts)
def test_a_tensor_is_shifted_as_its_numbers_are(sigmas, s):
    one_by_one = [shift_time(sigma, s) for sigma in sigmas]
    assert shift_time(torch.tensor(sigmas), s).tolist() == pytest.approx(one_by_one, abs=1e-6)


@given(times, shifts)
def test_a_shift_above_one_moves_towards_the_noise(sigma, s):
    moved = shift_time(sigma, s)
    assert moved >= sigma - 1e-12 if s >= 1 else moved <= sigma + 1e-12


# Training times


def test_training_times_are_uniform_and_above_zero():
    t = sample_time(20_000, 1, torch.Generator().manual_seed(3))
    assert t.shape == (20_000,)
    assert t.dtype == torch.float32
    assert kstest(t.double().numpy(), "uniform").pvalue > 0.01
    assert t.min() > 0
    assert t.max() <= 1


def test_shifted_times_are_the_uniform_ones_shifted():
    t = sample_time(20_000, 5, torch.Generator().manual_seed(3))
    assert kstest(shift_time(t.double(), 1 / 5).numpy(), "uniform").pvalue > 0.01
    assert t.mean() > 0.7


def test_times_never_reach_zero(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda count, **_: torch.tensor([0.0, 1 - 2**-24]))  # the ends of [0, 1)
    assert sample_time(2, 1, torch.Generator()).tolist() == [1, 2**-24]


# Laws


@settings(max_examples=30)
@given(times, st.integers(0, 2**31))
def test_state_and_velocity_give_data_and_noise(t, seed):
    z0, z1 = sample_normal(seed), sample_normal(seed + 1)
    z_t, v = interpolate(z0, z1, t), velocity(z0, z1)
    torch.testing.assert_close(clean(z_t, v, t), z0, atol=2e-6, rtol=0)
    torch.testing.assert_close(clean(z_t, v, t) + v, z1, atol=2e-6, rtol=0)


def test_the_velocity_is_the_derivative_of_the_state():
    z0, z1 = sample_normal(0, (2,)).double(), sample_normal(1, (2,)).double()
    slope = (interpolate(z0, z1, 0.75) - interpolate(z0, z1, 0.25)) / 0.5
    torch.testing.assert_close(slope, velocity(z0, z1), atol=1e-7, rtol=0)


def test_zero_is_data_and_one_is_noise():
    z0, z1 = sample_normal(0), sample_normal(1)
    assert torch.equal(interpolate(z0, z1, 0), z0)
    assert torch.equal(interpolate(z0, z1, 1), z1)


@settings(max_examples=30)
@given(st.integers(1, 60), shifts, st.integers(0, 2**31))
def test_the_true_velocity_leads_to_the_data_along_any_grid(steps, s, seed):
    z0, z1 = sample_normal(seed), sample_normal(seed + 1)
    z, grid = z1, time_grid(steps, s)
    for t, t_next in pairwise(grid):
        torch.testing.assert_close(z, interpolate(z0, z1, t), atol=1e-5, rtol=0)
        z = euler_step(z, velocity(z0, z1), t, t_next)
    torch.testing.assert_close(z, z0, atol=1e-5, rtol=0)


def test_a_time_for_each_sample_is_each_samples_time():
    z0, z1, t = sample_normal(0), sample_normal(1), torch.tensor([0.25, 0.875])
    v = velocity(z0, z1)
    later, each = torch.tensor([0.125, 0.5]), range(2)
    for function, all_of_it in (
        (lambda b, time: interpolate(z0[b], z1[b], time), interpolate(z0, z1, t)),
        (lambda b, time: clean(z0[b], v[b], time), clean(z0, v, t)),
        (lambda b, time: euler_step(z0[b], v[b], time, later[b]), euler_step(z0, v, t, later)),
    ):
        assert torch.equal(all_of_it, torch.stack([function(b, t[b]) for b in each]))


# Against diffusers


@pytest.mark.parametrize("s", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("steps", [1, 8, 50])
def test_every_step_equals_that_of_diffusers(steps, s):
    grid = time_grid(steps, s)
    theirs = FlowMatchEulerDiscreteScheduler(shift=1.0)  # with its own shift the sigmas would be shifted twice
    theirs.set_timesteps(sigmas=grid[:-1].tolist())
    assert torch.equal(theirs.sigmas, grid)

    z, v = sample_normal(0), [sample_normal(seed) for seed in range(1, steps + 1)]
    ours_z, their_z = z, z
    for i, timestep in enumerate(theirs.timesteps):
        ours_z = euler_step(ours_z, v[i], grid[i], grid[i + 1])
        their_z = theirs.step(v[i], timestep, their_z, return_dict=False)[0]
        assert torch.equal(ours_z, their_z)


def test_the_grid_equals_diffusers_shift_of_even_steps():
    theirs = FlowMatchEulerDiscreteScheduler(shift=5.0)
    theirs.set_timesteps(sigmas=torch.linspace(1, 0, 51)[:-1].tolist())
    torch.testing.assert_close(theirs.sigmas, time_grid(50, 5), atol=2e-7, rtol=0)


# The first frame


def test_only_the_first_frame_is_replaced():
    z, z_image = sample_normal(0), sample_normal(1, (2, 3, 4, 1, 6, 7))
    replaced = replace_first_frame(z, z_image)
    assert torch.equal(replaced[..., :1, :, :], z_image)
    assert torch.equal(replaced[..., 1:, :, :], z[..., 1:, :, :])
    assert torch.equal(z, sample_normal(0))
    assert torch.equal(replace_first_frame(replaced, z_image), replaced)
