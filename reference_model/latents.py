"""Latents of one video, z = (E(video) - mean) / std, and back; always in float32, and one view at a time, which is what fits into memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch import Tensor

from reference_model.config import SyncMV4DConfig, VAEConfig

_ROUNDING = 1e-5


@torch.no_grad()
def encode(vae: AutoencoderKLWan, video: Tensor | NDArray[np.float32]) -> Tensor:
    """The latents (C, n, h, w) float32 of a video (N, H, W, 3) in [0, 1], on the device of ``vae``: E's mode, not a sample.

    The autoencoder is causal, so latent frame 0 is that of the first image alone, bit for bit (diffusers: autoencoders/autoencoder_kl_wan.py).

    Raises:
        ValueError: another shape, N not 4n + 1, H or W no multiple of 32, or values that are not in [0, 1].
    """
    x = torch.as_tensor(video, device=vae.device)
    if x.ndim != 4 or x.shape[-1] != 3:
        raise ValueError(f"a video has shape {tuple(x.shape)}: expected (N, H, W, 3)")
    _check_grid(vae, *x.shape[:3])
    low, high = x.aminmax()
    if not (x.is_floating_point() and low >= 0 and high <= 1):
        raise ValueError(
            f"a video holds {x.dtype} values from {low:.6g} to {high:.6g}: expected floats in [0, 1] (8-bit ones divided by 255)"
        )
    with torch.autocast(x.device.type, enabled=False):
        z = vae.encode(x.float().movedim(-1, 0)[None] * 2 - 1).latent_dist.mode()[0]
    mean, std = _moments(vae, z)
    return (z - mean) / std


def decode(vae: AutoencoderKLWan, z: Tensor) -> Tensor:
    """The video (N, H, W, 3) float32 in [0, 1] of latents (C, n, h, w), N = 1 + 4 (n - 1); differentiable in ``z``.

    Raises:
        ValueError: another shape.
    """
    if z.ndim != 4 or z.shape[0] != vae.config.z_dim:
        raise ValueError(f"latents have shape {tuple(z.shape)}: expected (C, n, h, w) with C = {vae.config.z_dim}")
    with torch.autocast(z.device.type, enabled=False):
        mean, std = _moments(vae, z)
        x = vae.decode((z.float() * std + mean)[None]).sample[0]
    return (x.movedim(0, -1) + 1) / 2


@dataclass(frozen=True)
class VideoCoder:
    """E and D of one frozen autoencoder, as the loop takes them (``reference_model.cycle.track_codec.Autoencoder``)."""

    vae: AutoencoderKLWan

    def encode(self, video: Tensor) -> Tensor:
        """(N, H, W, 3) in [0, 1] -> latents (C, n, h, w); the rounding that takes a drawn colour past 0 or 1 is forgiven.

        Raises:
            ValueError: as ``encode``.
        """
        inside = video.clamp(0, 1)
        return encode(self.vae, inside if (video - inside).abs().max() <= _ROUNDING else video)

    def decode(self, z: Tensor) -> Tensor:
        """Latents (C, n, h, w) -> (N, H, W, 3) in [0, 1], differentiable.

        Raises:
            ValueError: as ``decode``.
        """
        return decode(self.vae, z)


def _moments(vae: AutoencoderKLWan, like: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over the data that the autoencoder was trained on, (C, 1, 1, 1)."""
    mean, std = (
        torch.tensor(each, dtype=torch.float32, device=like.device)[:, None, None, None]
        for each in (vae.config.latents_mean, vae.config.latents_std)
    )
    return mean, std


def _check_grid(vae: AutoencoderKLWan, frames: int, height: int, width: int) -> None:
    space = vae.config.scale_factor_spatial
    stride = VAEConfig(stride=(vae.config.scale_factor_temporal, space, space))
    SyncMV4DConfig(frames=frames, height=height, width=width, vae=stride)  # a configuration checks its own grid
