"""Wan's video autoencoder: loading it, and encoding and decoding one video at a time in float32, z = (E(video) - mean) / std per channel."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKLWan
from numpy.typing import NDArray
from torch import Tensor

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.track_codec import Autoencoders
from reference_model.loading.folder import (
    CONFIG_FILE,
    COPY_AGAIN,
    build_from_config,
    check_class,
    check_config_types,
    find_part,
    read_config,
)
from reference_model.loading.weights import Weights, check_weights, load_weights, open_weights

_ROUNDING = 1e-5


@dataclass(frozen=True)
class WanAutoencoder:
    """The encoder and decoder of a frozen autoencoder, which map between a video and its normalized latents."""

    vae: AutoencoderKLWan

    @torch.no_grad()
    def encode(self, video: Tensor | NDArray[np.float32]) -> Tensor:
        """Encode a video (N, H, W, 3) in [0, 1] to normalized latents (C, n, h, w) float32: the mode of the encoder's distribution, not a sample.

        The autoencoder is causal: latent frame 0 depends on the first image only (diffusers: autoencoders/autoencoder_kl_wan.py).  Rounding
        errors beyond 0 or 1 are clipped.

        Raises:
            ValueError: values are not in [0, 1], or the number of frames is not r_n (n - 1) + 1.
        """
        x, r_n = torch.as_tensor(video, device=self.vae.device), self.vae.config.scale_factor_temporal
        if len(x) % r_n != 1 % r_n:  # the autoencoder would drop the frames after the last complete group
            raise ValueError(f"the video has {len(x)} frames: expected {r_n} n + 1")
        inside = x.clamp(0, 1)
        if not (x.is_floating_point() and (x - inside).abs().max() <= _ROUNDING):
            low, high = x.aminmax()
            raise ValueError(
                f"the video has {x.dtype} values from {low:.6g} to {high:.6g}: expected floats in [0, 1] (8-bit ones divided by 255)"
            )
        with torch.autocast(x.device.type, enabled=False):
            z = self.vae.encode(inside.float().movedim(-1, 0)[None] * 2 - 1).latent_dist.mode()[0]
        mean, std = self._moments(z.device)
        return (z - mean) / std

    def decode(self, z: Tensor) -> Tensor:
        """Decode normalized latents (C, n, h, w) to a video (N, H, W, 3) float32 in [0, 1]; differentiable.

        N = 1 + 4 (n - 1) with Wan's temporal stride of 4.
        """
        with torch.autocast(z.device.type, enabled=False):
            mean, std = self._moments(z.device)
            x = self.vae.decode((z.float() * std + mean)[None]).sample[0]
        return (x.movedim(0, -1) + 1) / 2

    def _moments(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of each latent channel, (C, 1, 1, 1) each, from the autoencoder's config.json."""
        mean, std = (
            torch.tensor(each, dtype=torch.float32, device=device)[:, None, None, None]
            for each in (self.vae.config.latents_mean, self.vae.config.latents_std)
        )
        return mean, std


def load_autoencoders(checkpoint: Path, config: SyncMV4DConfig, device: torch.device | str = "cpu") -> Autoencoders:
    """Load the autoencoders of a model to a device, from subfolder vae/ of a Wan checkpoint or of a folder with the model's own parts.

    Raises:
        FileNotFoundError: the subfolder or a file is missing.
        ValueError: the files are damaged, or its latents have not the channels and strides that the model expects.
    """
    vae = load_vae(checkpoint)
    check_vae(vae, config, checkpoint / "vae")
    wan = WanAutoencoder(vae.to(device))
    return Autoencoders(wan, wan)


def build_vae(config: SyncMV4DConfig) -> AutoencoderKLWan:
    """Build the video autoencoder of a configuration with random weights, on torch's default device."""
    vae, channels = config.vae, 3 * config.vae.patch_size**2
    return AutoencoderKLWan(
        base_dim=vae.base_dim,
        decoder_base_dim=vae.decoder_base_dim,
        z_dim=config.mjd.in_channels,
        dim_mult=list(vae.dim_mult),
        num_res_blocks=vae.num_res_blocks,
        temperal_downsample=list(vae.temperal_downsample),
        is_residual=True,
        in_channels=channels,
        out_channels=channels,
        patch_size=vae.patch_size,
        scale_factor_temporal=vae.stride[0],
        scale_factor_spatial=vae.stride[1],
    )


def load_vae(checkpoint: Path) -> AutoencoderKLWan:
    """Load the video autoencoder, frozen and in float32, from subfolder vae/ of ``checkpoint``, a copy of Wan2.2-TI2V-5B-Diffusers.

    Raises:
        FileNotFoundError: the subfolder, its configuration or its weights are missing.
        ValueError: the files are damaged or of another model, or latents_mean or latents_std are invalid.
    """
    vae, weights = open_vae(checkpoint)
    load_weights(vae, weights, dtype=torch.float32)
    return vae.eval().requires_grad_(False)


def open_vae(checkpoint: Path) -> tuple[AutoencoderKLWan, Weights]:
    """Check the autoencoder's files for ``load_vae`` without reading weights; raises the same errors, except for NaN.

    Returns:
        The autoencoder on the meta device (shapes without values), and the names and shapes of its stored weights.
    """
    folder = find_part(checkpoint, "vae")
    stored = read_config(folder)
    check_class(folder, stored, AutoencoderKLWan)
    check_config_types(folder, stored, AutoencoderKLWan)
    with torch.device("meta"):
        vae = build_from_config(folder, lambda: AutoencoderKLWan.from_config(stored))
    _check_moments(folder, vae.config)
    weights = open_weights(folder)
    check_weights(vae, weights)
    return vae, weights


def check_vae(vae: AutoencoderKLWan, config: SyncMV4DConfig, folder: Path) -> None:
    """Raise ValueError unless the latents of an autoencoder, read from ``folder``, have the channels and strides that a model expects."""
    space = vae.config.scale_factor_spatial
    found = (vae.config.z_dim, vae.config.scale_factor_temporal, space, space)
    expected = (config.mjd.in_channels, *config.vae.stride)
    if found != expected:
        raise ValueError(
            f"{folder} has (channels, *stride) {found}, the model expects {expected}: give the model's own checkpoint"
        )


def _check_moments(folder: Path, config: Mapping[str, Any]) -> None:
    problems = []
    for name in ("latents_mean", "latents_std"):
        if len(config[name]) != config["z_dim"]:
            problems.append(f"{name} has {len(config[name])} numbers, expected {config['z_dim']}")
        for index, value in enumerate(config[name]):
            if not math.isfinite(value) or (name == "latents_std" and value <= 0):
                problems.append(f"{name}[{index}] is {value}")
    if problems:
        more = f" and {len(problems) - 1} more" * (len(problems) > 1)
        raise ValueError(
            f"{folder / CONFIG_FILE}: {problems[0]}{more}; expected finite numbers, positive in latents_std. {COPY_AGAIN}"
        )
