"""Rectified flow: straight lines from data z_0 at t = 0 to noise z_1 at t = 1 (section 3.1).

A state is z_t = (1 - t) z_0 + t z_1 and its velocity v = dz_t / dt = z_1 - z_0, so any two of z_0, z_1, z_t, v give the others.  Sampling goes from
t = 1 down to 0.  Every t is a number or a tensor of shape (B,), one time for each sample of z (B, ...); latents stay in float32.
"""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor

Time = float | Tensor
Sigma = TypeVar("Sigma", float, Tensor)


def interpolate(z0: Tensor, z1: Tensor, t: Time) -> Tensor:
    """The state at t, z_t = (1 - t) z_0 + t z_1 (section 3.1).

    Raises:
        ValueError: t is not within [0, 1], or not one number for each sample.
    """
    t = _along(t, z0)
    return (1 - t) * z0 + t * z1


def velocity(z0: Tensor, z1: Tensor) -> Tensor:
    """The velocity, the same at every t, v = z_1 - z_0 (section 3.1)."""
    return z1 - z0


def clean(z_t: Tensor, v: Tensor, t: Time) -> Tensor:
    """The data that a state and its velocity point back to, z_0 = z_t - t v (Eq. 4 says it of M).

    Raises:
        ValueError: as ``interpolate``.
    """
    return z_t - _along(t, z_t) * v


def noise(z_t: Tensor, v: Tensor, t: Time) -> Tensor:
    """The noise that a state and its velocity come from, z_1 = z_t + (1 - t) v.

    Raises:
        ValueError: as ``interpolate``.
    """
    return z_t + (1 - _along(t, z_t)) * v


def shift(sigma: Sigma, s: float) -> Sigma:
    """Times moved towards the noise for s > 1: s sigma / (1 + (s - 1) sigma), whose inverse is the shift by 1 / s.

    The base model's grid is shifted so (diffusers:schedulers/scheduling_flow_match_euler_discrete.py).

    Raises:
        ValueError: sigma is not within [0, 1], or s is not a positive number.
    """
    _check_time(sigma)
    if not (math.isfinite(s) and s > 0):
        raise ValueError(f"shift is {s}: expected a positive number, such as 1, which changes nothing")
    return s * sigma / (s * sigma + (1 - sigma))  # the same, and no rounding leaves [0, 1] or moves its ends


_shift = shift  # below, the shift is a number


def time_grid(steps: int, shift: float) -> Tensor:
    """The times of a sampler, (steps + 1,) float32 from 1 to 0: evenly spaced ones, shifted once, then 0.

    Raises:
        ValueError: there is no step, or the shift is not a positive number.
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}: expected 1 or more")
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return _shift(even, shift).float()


def sample_time(count: int, shift: float, generator: torch.Generator) -> Tensor:
    """Times to train at, (count,) float32 within (0, 1] on the generator's device: uniform (Algorithm 1, line 5), then shifted.

    Raises:
        ValueError: the shift is not a positive number.
    """
    return _shift(1 - torch.rand(count, generator=generator, device=generator.device), shift)


def euler_step(z: Tensor, v: Tensor, t: Time, t_next: Time) -> Tensor:
    """The state at an earlier time, z + (t_next - t) v (Eq. 2, where the step is negative and t - 1 is the grid's next time).

    Raises:
        ValueError: as ``interpolate``, or t_next does not lie below t.
    """
    t, t_next = _along(t, z), _along(t_next, z)
    if not (t_next < t).all():
        raise ValueError(
            f"from t = {_told(t)} to {_told(t_next)}: expected a falling grid of times, such as time_grid's"
        )
    return z + (t_next - t) * v


def _along(t: Time, z: Tensor) -> Tensor:
    """A time, or one for each sample of z, against z's trailing axes."""
    _check_time(t)
    t = torch.as_tensor(t, dtype=torch.float32)
    if t.ndim == 0:
        return t
    if t.shape != z.shape[:1]:
        raise ValueError(
            f"times of shape {tuple(t.shape)} for {tuple(z.shape)}: expected a number or shape {tuple(z.shape[:1])}"
        )
    return t.reshape(-1, *[1] * (z.ndim - 1)).to(z.device)


def _check_time(t: Time) -> None:
    inside = ((t >= 0) & (t <= 1)).all() if isinstance(t, Tensor) else 0 <= t <= 1
    if not inside:
        raise ValueError(f"t is {_told(t)}: expected within [0, 1], where 0 is clean")


def _told(t: Time) -> str:
    return str(t.flatten().tolist()) if isinstance(t, Tensor) and t.numel() > 1 else str(float(t))
