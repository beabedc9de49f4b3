"""Diffusion points aligner: coarse tracks of V views in, globally aligned 4D tracks out (SyncMV4D, section 3.4, equation 4)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor, nn
from torch.nn.functional import linear

from reference_model.config import DPAConfig
from reference_model.dpa.block import Cloud, PointBlock, scores_of
from reference_model.dpa.checks import check_inputs
from reference_model.dpa.serialization import gather, grid_coordinates, windows, z_order
from reference_model.dpa.sparse_conv import voxel_map

_TIME_CHANNELS = 256
_OCTAVES = 8

_LEAST_TIME = 0.05
"""Noise level below which the way to predicted tracks is no longer divided by t itself: errors of the prediction would be multiplied without end."""


class CoordinateLinear(nn.Linear):
    """A linear layer from or to coordinates, in float32 whatever the weights and autocast are: bfloat16 knows half a metre to 1 mm."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C') float32."""
        with torch.autocast(x.device.type, enabled=False):
            return linear(x.float(), self.weight.float(), self.bias.float())


class DiffusionPointsAligner(ModelMixin, ConfigMixin):
    """Velocity of tracks, v^M = G[M_t, M^, t]; all coordinates are those of the scene frame (``reference_model.cycle.scene_frame``), in its units.

    model = DiffusionPointsAligner(**dataclasses.asdict(preset("nano").dpa))
    v = model(M_t, coarse, found, anchors, t)
    """

    _supports_gradient_checkpointing = True
    _repeated_blocks: ClassVar = ["PointBlock"]

    @register_to_config
    def __init__(
        self,
        width: int,
        heads: int,
        num_layers: int,
        window: int | None,
        orders: Sequence[str],
        voxel: float,
        reach: float,
        sparse_conv: str,
        temporal: bool,
        predicts: str,
        views: int,
    ) -> None:
        super().__init__()
        stored = {name: self.config[name] for name in DPAConfig.__dataclass_fields__}
        self.settings = DPAConfig(**stored | {"orders": tuple(orders)})  # JSON has no tuples
        features = 2 * _OCTAVES
        self.point_embedding = CoordinateLinear(3, width)
        self.coarse_embedding = CoordinateLinear(3, width)
        self.anchor_embedding = CoordinateLinear(2 * features, width)
        self.frame_embedding = CoordinateLinear(features, width)
        self.view_embedding = nn.Parameter(torch.randn(views, width) * 0.02)
        self.null_token = nn.Parameter(torch.randn(width) * 0.02)
        self.time_channels = Timesteps(_TIME_CHANNELS, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time_embedding = TimestepEmbedding(_TIME_CHANNELS, width)
        self.blocks = nn.ModuleList([PointBlock(self.settings) for _ in range(num_layers)])
        self.norm_out = FP32LayerNorm(width)
        self.head = CoordinateLinear(width, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.gradient_checkpointing = False

    def forward(
        self, M_t: Tensor, coarse: Tensor, found: Tensor, anchors: Tensor, t: Tensor, point_mask: Tensor | None = None
    ) -> Tensor:
        """Velocities (B, V, N, K, 3) float32 (equation 4).

        Args:
            M_t: (B, V, N, K, 3) noisy tracks, K points of each view.
            coarse: (B, V, N, K, 3) the same points as MJD's pseudo-videos tell them, where found.
            found: (B, V, N, K) bool.
            anchors: (B, V, K, 2) pixels in frame 0, ((u + 1/2) / W, (v + 1/2) / H).
            t: (B,) noise levels in [0, 1].
            point_mask: (B, V, K) bool, false for padding where a view has fewer points; None means that all are points.

        Raises:
            ValueError: shapes that do not belong together.
        """
        check_inputs(self.settings, M_t, coarse, found, anchors, t, point_mask)
        batch, views, frames, points = M_t.shape[:4]
        found = found if point_mask is None else found & point_mask[:, :, None]
        M_t = M_t.masked_fill(~point_mask[:, :, None, :, None], 0.0) if point_mask is not None else M_t
        coarse = coarse.masked_fill(~found[..., None], 0.0)

        identity = self._identity(anchors, frames)
        x = by_frame(self.point_embedding(M_t) + identity)
        tokens = by_frame(self.coarse_embedding(coarse) + identity)
        time = self.time_embedding(self.time_channels(1000.0 * t).to(x.dtype)).repeat_interleave(frames, dim=0)

        place = by_frame(torch.where(found[..., None], coarse, M_t).detach())
        arranged = self._arrange(place, by_frame(found[..., None])[..., 0], point_mask, frames)
        checkpointed = self.gradient_checkpointing and torch.is_grad_enabled()
        conditions = [self._with_null(gather(tokens, cloud.windows)) for cloud in arranged]
        for number, block in enumerate(self.blocks):
            turn = number % len(arranged)
            arguments = (x, conditions[turn], time, arranged[turn], (batch, frames))
            x = self._gradient_checkpointing_func(block, *arguments) if checkpointed else block(*arguments)
        predicted = self.head(self.norm_out(x)).reshape(batch, frames, views, points, 3).transpose(1, 2)
        if self.settings.predicts == "velocity":
            return predicted
        return (M_t - predicted) / t.float().clamp(min=_LEAST_TIME).view(-1, 1, 1, 1, 1)

    def _identity(self, anchors: Tensor, frames: int) -> Tensor:
        """What tells a point from others at any noise level: anchor, view and frame; (B, V, N, K, C)."""
        when = torch.linspace(0, 1, frames, device=anchors.device)
        anchor = self.anchor_embedding(_waves(anchors).flatten(-2))[:, :, None]
        frame = self.frame_embedding(_waves(when))[:, None]
        return anchor + frame + self.view_embedding[:, None, None]

    def _arrange(self, place: Tensor, found: Tensor, point_mask: Tensor | None, frames: int) -> list[Cloud]:
        """The points of all views of a frame as one cloud (``place`` (G, P, 3)), along one curve after another."""
        settings = self.settings
        groups, points = place.shape[:2]
        grid = grid_coordinates(place, settings.voxel, settings.reach)
        real = None if point_mask is None else point_mask.flatten(1).repeat_interleave(frames, dim=0)
        index = torch.arange(groups * points, device=place.device) if real is None else real.flatten().nonzero()[:, 0]
        side = math.ceil(2 * settings.reach / settings.voxel) + 1
        voxels = voxel_map(index // points, grid.flatten(0, 1)[index], side, groups)
        clouds = []
        for order in settings.orders:
            at = windows(z_order(grid, order), real, settings.window or points)
            seen = gather(found[..., None], at)[..., 0]
            unfound = scores_of(torch.cat([torch.ones_like(seen[:, :1]), seen], dim=1))
            hidden = None if real is None else scores_of(gather(real[..., None], at)[..., 0])
            clouds.append(Cloud(at, hidden, unfound, voxels, index))
        return clouds

    def _with_null(self, tokens: Tensor) -> Tensor:
        return torch.cat([self.null_token.expand(len(tokens), 1, -1), tokens], dim=1)


def by_frame(x: Tensor) -> Tensor:
    """Points of all views of a frame together: (B, V, N, K, C) -> (B N, V K, C)."""
    return x.transpose(1, 2).flatten(2, 3).flatten(0, 1)


def _waves(x: Tensor) -> Tensor:
    """Sines and cosines (..., 16) of numbers in [0, 1], an octave apart."""
    angles = x[..., None] * (math.pi * 2.0 ** torch.arange(_OCTAVES, device=x.device))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
