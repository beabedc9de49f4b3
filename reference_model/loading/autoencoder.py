"""The video autoencoder, Wan's or a linear one: loading it, and encoding and decoding one video at a time in float32.

Wan's latents are normalized, z = (E(video) - mean) / std per channel.
"""

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
from reference_model.loading.encoder_input import check_encoder_input
from reference_model.loading.folder import (
    CONFIG_FILE,
    COPY_AGAIN,
    build_from_config,
    check_config_types,
    find_class,
    find_part,
    read_config,
)
from reference_model.loading.linear_autoencoder import LinearAutoencoders
from reference_model.loading.weights import Weights, check_weights, load_weights, open_weights

VAE = AutoencoderKLWan | LinearAutoencoders
"""The model in folder vae/; ``_class_name`` in its config.json is the name of one of these classes."""

_CLASSES: dict[str, type[VAE]] = {"wan": AutoencoderKLWan, "linear": LinearAutoencoders}
"""Class of the autoencoder by ``VAEConfig.kind``."""


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
        x = check_encoder_input(video, self.vae.config.scale_factor_temporal, self.vae.device)
        with torch.autocast(x.device.type, enabled=False):
            z = self.vae.encode(x.movedim(-1, 0)[None] * 2 - 1).latent_dist.mode()[0]
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
    vae = vae.to(device)
    if isinstance(vae, LinearAutoencoders):
        return Autoencoders(vae.video, vae.motion)
    wan = WanAutoencoder(vae)
    return Autoencoders(wan, wan)


def build_vae(config: SyncMV4DConfig) -> VAE:
    """Build the video autoencoder of a configuration on torch's default device: Wan's with random weights, or a linear one whose weights are 0."""
    vae, channels = config.vae, 3 * config.vae.patch_size**2
    if vae.kind == "linear":
        return LinearAutoencoders(config.mjd.in_channels, vae.stride)
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


def load_vae(checkpoint: Path) -> VAE:
    """Load the video autoencoder, frozen and in float32, from subfolder vae/ of a Wan checkpoint or of a folder with a model's own parts.

    Raises:
        FileNotFoundError: the subfolder, its configuration or its weights are missing.
        ValueError: the files are damaged or of another model, or Wan's latents_mean or latents_std are invalid.
    """
    vae, weights = open_vae(checkpoint)
    load_weights(vae, weights, dtype=torch.float32)
    return vae.eval().requires_grad_(False)


def open_vae(checkpoint: Path) -> tuple[VAE, Weights]:
    """Check the autoencoder's files for ``load_vae`` without reading weights; raises the same errors, except for NaN.

    Returns:
        The autoencoder on the meta device (shapes without values), and the names and shapes of its stored weights.
    """
    folder = find_part(checkpoint, "vae")
    stored = read_config(folder)
    kind = find_class(folder, stored, _CLASSES.values())
    check_config_types(folder, stored, kind)
    with torch.device("meta"):
        vae = build_from_config(folder, lambda: kind.from_config(stored))
    if isinstance(vae, AutoencoderKLWan):
        _check_moments(folder, vae.config)
    weights = open_weights(folder)
    check_weights(vae, weights)
    return vae, weights


def check_vae(vae: VAE, config: SyncMV4DConfig, folder: Path) -> None:
    """Raise ValueError unless an autoencoder, read from ``folder``, is of the class that a model expects, with its channels and strides."""
    expected_class = _CLASSES[config.vae.kind].__name__
    if type(vae).__name__ != expected_class:
        raise ValueError(
            f"{folder} has class {type(vae).__name__}, the model expects {expected_class}: give the model's own checkpoint"
        )
    if isinstance(vae, LinearAutoencoders):
        found = (vae.config.channels, *vae.config.stride)
    else:
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
