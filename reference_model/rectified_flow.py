"""Rectified flow: straight lines from data z_0 at t = 0 to noise z_1 at t = 1 (section 3.1 of the SyncMV4D paper).

A state is z_t = (1 - t) z_0 + t z_1 and its velocity v = dz_t / dt = z_1 - z_0, so any two of z_0, z_1, z_t, v give the others.  Sampling goes from
t = 1 down to 0.  A time t within [0, 1] is a number or a tensor of shape (B,), one per sample of z (B, ...); latents stay in float32.

A training loop, and sampling with the trained model:

>>> generator = torch.Generator().manual_seed(0)
>>> data = torch.tensor([[-1.0, 2.0]])
>>> model = torch.nn.Linear(3, 2)  # predicts v of (z_t, t)
>>> def predict(z_t, t):
...     return model(torch.cat([z_t, t[:, None]], dim=1))
>>> optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
>>> for _ in range(300):
...     z0, z1 = data.expand(64, 2), torch.randn(64, 2, generator=generator)
...     t = sample_time(64, shift=1.0, generator=generator)
...     loss = (predict(interpolate(z0, z1, t), t) - velocity(z0, z1)).square().mean()
...     optimizer.zero_grad()
...     loss.backward()
...     optimizer.step()
>>> z, grid = torch.randn(5, 2, generator=generator), time_grid(steps=20, shift=1.0)
>>> with torch.no_grad():
...     for t, t_next in zip(grid[:-1], grid[1:]):
...         z = euler_step(z, predict(z, t.expand(5)), t, t_next)
>>> z.shape, time_grid(steps=4, shift=1.0).tolist()
(torch.Size([5, 2]), [1.0, 0.75, 0.5, 0.25, 0.0])
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor

Time = float | Tensor
Sigma = TypeVar("Sigma", float, Tensor)

LEAST_TIME = 0.05
"""Least time by which the difference of a noisy state and an estimate of the clean data is divided to get a velocity."""


def interpolate(z0: Tensor, z1: Tensor, t: Time) -> Tensor:
    """Return the state at time t on the line from data z_0 to noise z_1: z_t = (1 - t) z_0 + t z_1, of the shape of z_0."""
    t = _broadcast(t, z0)
    return (1 - t) * z0 + t * z1


def velocity(z0: Tensor, z1: Tensor) -> Tensor:
    """Return the velocity on the line from data z_0 to noise z_1: v = z_1 - z_0, the same at every time t."""
    return z1 - z0


def clean(z_t: Tensor, v: Tensor, t: Time) -> Tensor:
    """Return the estimate z_0 = z_t - t v of the clean data, from a noisy state z_t at time t and its predicted velocity v."""
    return z_t - _broadcast(t, z_t) * v


def velocity_from_clean(z_t: Tensor, z0: Tensor, t: Time) -> Tensor:
    """Return the velocity v = (z_t - z_0) / t of a noisy state z_t at time t and an estimate of its clean data z_0.

    Below ``LEAST_TIME``, z_0 is approached more slowly: t would multiply errors of the estimate without bound.
    """
    return (z_t - z0) / _broadcast(t, z_t).clamp(min=LEAST_TIME)


def euler_step(z: Tensor, v: Tensor, t: Time, t_next: Time) -> Tensor:
    """Return the state at the earlier time t_next after one Euler step from z at time t: z + (t_next - t) v.

    This is equation 2 of the SyncMV4D paper, which calls the next time of the sampler's grid t - 1.
    """
    return z + (_broadcast(t_next, z) - _broadcast(t, z)) * v


def shift_time(sigma: Sigma, s: float) -> Sigma:
    """Return times ``sigma`` in [0, 1] shifted towards noise (1) if s > 1: s sigma / (1 + (s - 1) sigma); the inverse is the shift by 1 / s.

    Wan2.2's sampler shifts its times in the same way (diffusers:schedulers/scheduling_flow_match_euler_discrete.py).
    """
    return s * sigma / (s * sigma + (1 - sigma))  # equal, and rounding neither leaves [0, 1] nor moves its ends


def time_grid(steps: int, shift: float) -> Tensor:
    """Return the times of a sampler, (steps + 1,) float32 from 1 (noise) to 0 (data): evenly spaced, then moved by the function ``shift_time``."""
    even = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return shift_time(even, shift).float()


def sample_time(count: int, shift: float, generator: torch.Generator) -> Tensor:
    """Sample the noise levels of training samples, (count,) float32 within (0, 1] on the generator's device.

    They are uniform (line 5 of Algorithm 1 of the SyncMV4D paper), then moved by the function ``shift_time``.
    """
    return shift_time(1 - torch.rand(count, generator=generator, device=generator.device), shift)


def _broadcast(t: Time, z: Tensor) -> Tensor:
    """Return a time, or one time per sample of z (B, ...), as a float32 tensor that broadcasts against z."""
    t = torch.as_tensor(t, dtype=torch.float32)
    return t if t.ndim == 0 else t.reshape(-1, *[1] * (z.ndim - 1)).to(z.device)
