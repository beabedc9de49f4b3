"""The models of a configuration without their weights, on the meta device or as fake tensors: shapes flow through them, and nothing is computed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

from reference_model.config import SyncMV4DConfig
from reference_model.dpa.block import Cloud, scores_of
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.dpa.serialization import gather, windows
from reference_model.dpa.sparse_conv import VoxelMap
from reference_model.mjd.model import MJDOutput, MultiViewJointDiffusion

TAPS = 27


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


class AllNeighbours(nn.Module):
    """The most that a sparse convolution can take: every point has a voxel of its own, and this all 27 neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.taps = nn.Linear(TAPS * channels, channels)

    def forward(self, x: Tensor, at: VoxelMap) -> Tensor:
        """(P, C) -> (P, C)."""
        return self.taps(x.repeat(1, TAPS))


class PhantomAligner(DiffusionPointsAligner):
    """DPA without the one thing that shapes do not tell: which voxels its points occupy.

    It runs on fake tensors: its coordinates are kept out of autocast, which knows no meta device.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for block in self.blocks:
            block.conv = AllNeighbours(self.settings.width)

    def _arrange(self, place: Tensor, found: Tensor, point_mask: Tensor | None, frames: int) -> list[Cloud]:
        """Windows of the size and number that any places give."""
        groups, points = place.shape[:2]
        at = windows(place[..., 0].long(), None, self.settings.window or points)
        seen = gather(found[..., None], at)[..., 0]
        unfound = scores_of(torch.cat([torch.ones_like(seen[:, :1]), seen], dim=1))
        alone = torch.arange(groups * points, device=place.device)
        voxels = VoxelMap(alone[:, None].expand(-1, 4), alone, side=1, clouds=groups)
        return [Cloud(at, None, unfound, voxels, alone)]


def phantom_dpa(config: SyncMV4DConfig) -> PhantomAligner:
    """DPA, to be made within FakeTensorMode."""
    return PhantomAligner(**asdict(config.dpa))


def align(dpa: DiffusionPointsAligner, config: SyncMV4DConfig) -> Tensor:
    """One forward of DPA on the tracks of one sample, K of each view."""
    views, points = config.dpa.views, config.pseudo_video.points
    M_t = torch.zeros(1, views, config.frames, points, 3)
    found = torch.ones(M_t.shape[:-1], dtype=torch.bool)
    output: Tensor = dpa(M_t, M_t, found, torch.zeros(1, views, points, 2), torch.ones(1))
    return output


def alignment_step(dpa: DiffusionPointsAligner, config: SyncMV4DConfig) -> None:
    """Forward and backward of DPA on one sample with gradient checkpointing."""
    dpa.enable_gradient_checkpointing()
    align(dpa, config).mean().backward()


def of_blocks(config: SyncMV4DConfig, layers: int) -> SyncMV4DConfig:
    """The configuration with so many blocks of DPA."""
    return replace(config, dpa=replace(config.dpa, num_layers=layers))
