"""The models of a configuration without their weights, on the meta device or as fake tensors: shapes flow through them, and nothing is computed."""

from __future__ import annotations

from dataclasses import asdict, replace

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from reference_model.config import SyncMV4DConfig
from reference_model.mjd.model import MJDOutput, MultiViewJointDiffusion


def phantom_mjd(config: SyncMV4DConfig) -> MultiViewJointDiffusion:
    """MJD on the meta device."""
    with torch.device("meta"):
        return MultiViewJointDiffusion(**asdict(config.mjd))


def phantom_vae(config: SyncMV4DConfig) -> AutoencoderKLWan:
    """The autoencoder on the meta device."""
    vae = config.vae
    with torch.device("meta"):
        return AutoencoderKLWan(
            base_dim=vae.base_dim,
            decoder_base_dim=vae.decoder_base_dim,
            z_dim=config.mjd.in_channels,
            dim_mult=list(vae.dim_mult),
            num_res_blocks=vae.num_res_blocks,
            temperal_downsample=list(vae.temperal_downsample),
            is_residual=True,
            in_channels=3 * vae.patch_size**2,
            out_channels=3 * vae.patch_size**2,
            patch_size=vae.patch_size,
            scale_factor_temporal=vae.stride[0],
            scale_factor_spatial=vae.stride[1],
        )


def phantom_video(config: SyncMV4DConfig, device: str = "meta") -> Tensor:
    """The video of one view as the autoencoder takes it, (1, 3, N, H, W)."""
    return torch.empty(1, 3, config.frames, config.height, config.width, device=device)


def phantom_latents(config: SyncMV4DConfig, device: str = "meta") -> Tensor:
    """The latents of all views of one sample, (1, V, C, n, h, w)."""
    grid = config.latent_grid(config.frames, config.height, config.width)
    return torch.empty(1, config.mjd.views, config.mjd.in_channels, *grid, device=device)


def forward(mjd: MultiViewJointDiffusion, config: SyncMV4DConfig, device: str = "meta") -> MJDOutput:
    """One forward of MJD on one sample, guided by refined motion or, as the loop does without it, by zeros."""
    z = phantom_latents(config, device)
    text = torch.empty(1, config.text_tokens, config.mjd.text_dim, device=device)
    intrinsics = torch.empty(1, config.mjd.views, 2, device=device) if config.mjd.scale_tokens_see_K else None
    output: MJDOutput = mjd(z, z, z[:, :, :, :1], text, torch.empty(1, device=device), z, intrinsics)
    return output


def training_step(mjd: MultiViewJointDiffusion, config: SyncMV4DConfig) -> None:
    """Forward and backward of MJD on one sample with gradient checkpointing."""
    mjd.enable_gradient_checkpointing()
    video, motion, scale = forward(mjd, config)
    (video.mean() + motion.mean() + scale.mean()).backward()


def of_depth(config: SyncMV4DConfig, layers: int) -> SyncMV4DConfig:
    """The configuration with so many blocks."""
    return replace(config, mjd=replace(config.mjd, num_layers=layers))


def of_length(config: SyncMV4DConfig, n: int) -> SyncMV4DConfig:
    """The configuration with the frames of so many latents."""
    return replace(config, frames=1 + config.vae.stride[0] * (n - 1))
