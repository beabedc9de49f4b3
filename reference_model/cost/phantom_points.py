"""DPA without the one thing that shapes do not tell: which voxels its points occupy.

It runs on fake tensors: its coordinates are kept out of autocast, which knows no meta device.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn

from reference_model.config import SyncMV4DConfig
from reference_model.dpa.block import Cloud, scores_of
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.dpa.serialization import gather, windows
from reference_model.dpa.sparse_conv import VoxelMap

TAPS = 27


class AllNeighbours(nn.Module):
    """The most that a sparse convolution can take: every point has a voxel of its own, and this all 27 neighbours."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.taps = nn.Linear(TAPS * channels, channels)

    def forward(self, x: Tensor, at: VoxelMap) -> Tensor:
        """(P, C) -> (P, C)."""
        return self.taps(x.repeat(1, TAPS))


class PhantomAligner(DiffusionPointsAligner):
    """DPA for tensors without numbers, where there are no places to find voxels at."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for block in self.blocks:
            block.conv = AllNeighbours(self.settings.width)

    def _arrange(self, place: Tensor, found: Tensor, there: Tensor | None, frames: int) -> list[Cloud]:
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
