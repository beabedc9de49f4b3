"""The models of a configuration without weight values, and functions that run them on inputs without values, to count operations and memory.

Tensors have shapes only: they are on PyTorch's meta device, or are fake tensors (FakeTensorMode), since autocast does not support the meta device.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from reference_model.config import DPAConfig, SyncMV4DConfig
from reference_model.dpa.block import PointLayout, attention_bias
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.dpa.point_serialization import build_windows, gather_windows
from reference_model.dpa.sparse_conv import VoxelMap
from reference_model.loading import autoencoder
from reference_model.loading.linear_autoencoder import LinearAutoencoders
from reference_model.mjd.model import Baseline, MJDOutput, MultiViewJointDiffusion

TAPS = 27
"""Number of positions in the kernel of a 3 x 3 x 3 convolution."""


def build_mjd(config: SyncMV4DConfig, device: str = "meta") -> MultiViewJointDiffusion:
    """Build the diffusion model MJD on the meta device, or for ``run_mjd`` on the CPU in FakeTensorMode."""
    with torch.device(device):
        return MultiViewJointDiffusion(config.mjd)


def build_vae(config: SyncMV4DConfig) -> autoencoder.VAE:
    """Build the video autoencoder on the meta device."""
    with torch.device("meta"):
        return autoencoder.build_vae(config)


def build_dpa(config: SyncMV4DConfig) -> DiffusionPointsAligner:
    """Build the points aligner DPA for ``run_dpa``; call both in FakeTensorMode."""
    return _ShapeOnlyAligner(config.dpa)


def empty_video(config: SyncMV4DConfig) -> Tensor:
    """Return a tensor of the shape of one view's video as the autoencoder takes it, (1, 3, N, H, W), on the meta device."""
    return torch.empty(1, 3, config.frames, config.height, config.width, device="meta")


def empty_latents(config: SyncMV4DConfig, device: str = "meta") -> Tensor:
    """Return a tensor of the shape of the video latents of one sample, (1, V, C, n, h, w) for V views; its values are uninitialized."""
    grid = config.latent_grid(config.frames, config.height, config.width)
    return torch.empty(1, config.mjd.views, config.mjd.in_channels, *grid, device=device)


def run_encoder(vae: autoencoder.VAE, config: SyncMV4DConfig) -> object:
    """Encode the video of one view, and return diffusers' output or the latents."""
    video = empty_video(config)
    if isinstance(vae, LinearAutoencoders):
        return vae.video.project(video[0].movedim(0, -1))
    return vae.encode(video)


def run_decoder(vae: autoencoder.VAE, z: Tensor) -> Tensor:
    """Decode the latents of one view, (1, C, n, h, w), and return the video."""
    if isinstance(vae, LinearAutoencoders):
        return vae.video.reconstruct(z[0])
    video: Tensor = vae.decode(z).sample
    return video


def run_mjd(mjd: MultiViewJointDiffusion, config: SyncMV4DConfig) -> MJDOutput:
    """Run the diffusion model on one sample with guidance latents, and return its output; call this in FakeTensorMode."""
    z = empty_latents(config, "cpu")
    text = torch.empty(1, config.text_tokens, config.mjd.text_dim)
    intrinsics = torch.empty(1, config.mjd.views, 2) if config.mjd.scale_tokens_see_K else None
    baseline = Baseline(z, torch.empty(1, config.mjd.views)) if config.mjd.residual else None
    output: MJDOutput = mjd(z, z, z[:, :, :, :1], text, torch.empty(1), z, intrinsics, baseline)
    return output


def train_mjd(mjd: MultiViewJointDiffusion, config: SyncMV4DConfig) -> None:
    """Run the diffusion model forward and backward on one sample with gradient checkpointing."""
    mjd.enable_gradient_checkpointing()
    video, motion, s = run_mjd(mjd, config)
    (video.mean() + motion.mean() + s.mean()).backward()


def run_dpa(dpa: DiffusionPointsAligner, config: SyncMV4DConfig) -> Tensor:
    """Run the points aligner on the tracks of one sample, K points in each of V views, and return the velocities (1, V, N, K, 3)."""
    views, points = config.dpa.views, config.pseudo_video.points
    M_t = torch.zeros(1, views, config.frames, points, 3)
    found = torch.ones(M_t.shape[:-1], dtype=torch.bool)
    output: Tensor = dpa(M_t, M_t, found, torch.zeros(1, views, points, 2), torch.ones(1))
    return output


def train_dpa(dpa: DiffusionPointsAligner, config: SyncMV4DConfig) -> None:
    """Run the points aligner forward and backward on one sample with gradient checkpointing."""
    dpa.enable_gradient_checkpointing()
    run_dpa(dpa, config).mean().backward()


def with_latent_frames(config: SyncMV4DConfig, n: int) -> SyncMV4DConfig:
    """Return the configuration with as many video frames as ``n`` latent frames encode."""
    return replace(config, frames=1 + config.vae.stride[0] * (n - 1))


class _FullConvolution(nn.Module):
    """A replacement of the points aligner's sparse convolution with its greatest cost: all 27 neighbours of every point exist."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.taps = nn.Linear(TAPS * channels, channels)

    def forward(self, x: Tensor, voxels: VoxelMap) -> Tensor:
        """Return the features (P, C) of P points after a convolution over 27 copies of their own features; ``voxels`` is ignored."""
        return self.taps(x.repeat(1, TAPS))


class _ShapeOnlyAligner(DiffusionPointsAligner):
    """The points aligner (DPA), changed to run on tensors without values: each point gets its own voxel, not the voxel of its coordinates."""

    def __init__(self, config: DPAConfig) -> None:
        super().__init__(config)
        for block in self.blocks:
            block.conv = _FullConvolution(self.settings.width)

    def _layouts(self, places: Tensor, found: Tensor, anchors: Tensor, point_mask: Tensor | None) -> list[PointLayout]:
        groups, points = places.shape[:2]
        code = places[..., 0].long()
        windows = build_windows(code, code, None, self.settings.window or points)
        is_key = gather_windows(found[..., None], windows)[..., 0]
        bias = attention_bias(torch.cat([torch.ones_like(is_key[:, :1]), is_key], dim=1))
        index = torch.arange(groups * points, device=places.device)
        voxels = VoxelMap(index[:, None].expand(-1, 4), index, side=1, clouds=groups)
        return [PointLayout(windows, None, bias, voxels, index)]
