"""Layers that compute in float32 also under autocast and with bfloat16 weights, so that training and sampling get the same numbers."""

from __future__ import annotations

import torch
from diffusers.models.embeddings import Timesteps
from torch import Tensor, nn
from torch.nn.functional import linear, silu


class Float32Linear(nn.Linear):
    """A linear layer for quantities that bfloat16's 8 bits are too coarse for, such as coordinates, depths and noise levels."""

    def forward(self, x: Tensor) -> Tensor:
        """Transform x (..., C) to (..., C') float32."""
        with torch.autocast(x.device.type, enabled=False):
            return linear(x.float(), self.weight.float(), self.bias.float())


class TimeEmbedding(nn.Module):
    """An embedding of noise levels t in [0, 1], which is that of timesteps 1000 t in diffusers' ``TimestepEmbedding``, with its parameters' names.

    Wan's own code asserts that it is in float32 (Wan2.2: wan/modules/model.py).
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.sinusoids = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.linear_1 = Float32Linear(channels, width)
        self.linear_2 = Float32Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        """Embed noise levels t (B,) as (B, C) float32."""
        return self.linear_2(silu(self.linear_1(self.sinusoids(1000.0 * t))))
