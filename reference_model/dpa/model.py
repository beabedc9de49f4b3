"""Diffusion points aligner: coarse tracks of V views in, their velocity to globally aligned tracks out (SyncMV4D paper, section 3.4, equation 4)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Self

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from diffusers.models.normalization import FP32LayerNorm
from einops import rearrange, repeat
from torch import Tensor, nn

from reference_model.config import DPAConfig
from reference_model.config.fields import from_stored
from reference_model.dpa.block import PointBlock, PointLayout, attention_bias
from reference_model.dpa.point_serialization import (
    anchor_rank,
    build_windows,
    gather_windows,
    grid_coordinates,
    z_order,
)
from reference_model.dpa.sparse_conv import build_voxel_map
from reference_model.float32_layers import Float32Linear, TimeEmbedding
from reference_model.rectified_flow import velocity_from_clean

_TIME_CHANNELS = 256
_OCTAVES = 8


class DiffusionPointsAligner(ModelMixin, ConfigMixin):
    """The diffusion points aligner, which predicts the velocity of noisy tracks M_t from coarse tracks M^ and the noise level t.

    Coordinates are in the scene frame (``reference_model.cycle.scene_frame``) and its units.

    >>> from reference_model.config import preset
    >>> model = DiffusionPointsAligner(preset("nano").dpa)
    >>> M_t = coarse = torch.randn(1, 3, 5, 20, 3)  # B, V, N, K, 3
    >>> found, anchors = torch.ones(1, 3, 5, 20, dtype=torch.bool), torch.rand(1, 3, 20, 2)
    >>> list(model(M_t, coarse, found, anchors, t=torch.rand(1)).shape)
    [1, 3, 5, 20, 3]
    """

    _supports_gradient_checkpointing = True
    _repeated_blocks: ClassVar = ["PointBlock"]

    def __init__(self, config: DPAConfig) -> None:
        super().__init__()
        self.register_to_config(**asdict(config))  # for save_pretrained
        self.settings, width, features = config, config.width, 2 * _OCTAVES
        self.point_embedding = Float32Linear(3, width)
        self.coarse_embedding = Float32Linear(3, width)
        self.anchor_embedding = Float32Linear(2 * features, width)
        self.frame_embedding = Float32Linear(features, width)
        self.view_embedding = nn.Parameter(torch.randn(config.views, width) * 0.02)
        self.null_token = nn.Parameter(torch.randn(width) * 0.02)
        self.time_embedding = TimeEmbedding(_TIME_CHANNELS, width)
        self.blocks = nn.ModuleList([PointBlock(config) for _ in range(config.num_layers)])
        self.norm_out = FP32LayerNorm(width)
        self.head = Float32Linear(width, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.gradient_checkpointing = False

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **_: Any) -> Self:
        """Build the model from the stored fields of its configuration, as ``from_pretrained`` does."""
        return cls(from_stored(DPAConfig, config))

    def forward(
        self, M_t: Tensor, coarse: Tensor, found: Tensor, anchors: Tensor, t: Tensor, point_mask: Tensor | None = None
    ) -> Tensor:
        """Predict the velocities of tracks, (B, V, N, K, 3) float32 (equation 4 of the SyncMV4D paper).

        Args:
            M_t: (B, V, N, K, 3) noisy tracks, K points of each view over N frames.
            coarse: (B, V, N, K, 3) coarse tracks of the same points, decoded from motion pseudo-videos.
            found: (B, V, N, K) bool, whether the coarse track has the point in the frame; other values of ``coarse`` are ignored.
            anchors: (B, V, K, 2) positions of the points in frame 0, ((u + 1/2) / W, (v + 1/2) / H).
            t: (B,) noise levels in [0, 1].
            point_mask: (B, V, K) bool, False for padding in views with fewer points; None if there is no padding.

        Raises:
            ValueError: inconsistent shapes.
        """
        self._check_shapes(M_t, coarse, found, anchors, t, point_mask)
        batch, views, frames, _ = M_t.shape[:4]
        if point_mask is not None:
            found = found & rearrange(point_mask, "b v k -> b v 1 k")
            M_t = M_t.masked_fill(~rearrange(point_mask, "b v k -> b v 1 k 1"), 0.0)
        coarse = coarse.masked_fill(~found[..., None], 0.0)

        identity = self._identity(anchors, frames)
        x = group_frames(self.point_embedding(M_t) + identity)
        base = None
        if self.settings.predicts == "corrections":
            base = interpolate_gaps(coarse, found)
            x = x + group_frames(self.coarse_embedding(base))
        tokens = group_frames(self.coarse_embedding(coarse) + identity)
        time = repeat(self.time_embedding(t), "b c -> (b n) c", n=frames)

        places = group_frames(torch.where(found[..., None], coarse, M_t).detach())
        layouts = self._layouts(places, group_frames(found[..., None])[..., 0], anchors, point_mask)
        conditions = [self._prepend_null(gather_windows(tokens, layout.windows)) for layout in layouts]
        is_checkpointed = self.gradient_checkpointing and torch.is_grad_enabled()
        for number, block in enumerate(self.blocks):
            curve = number % len(layouts)
            arguments = (x, conditions[curve], time, layouts[curve], batch)
            x = self._gradient_checkpointing_func(block, *arguments) if is_checkpointed else block(*arguments)
        predicted = rearrange(self.head(self.norm_out(x)), "(b n) (v k) c -> b v n k c", b=batch, v=views)
        if self.settings.predicts == "velocity":
            return predicted
        return velocity_from_clean(M_t, predicted if base is None else base + predicted, t)

    def _check_shapes(
        self, M_t: Tensor, coarse: Tensor, found: Tensor, anchors: Tensor, t: Tensor, point_mask: Tensor | None
    ) -> None:
        if M_t.ndim != 5 or M_t.shape[1] != self.settings.views or M_t.shape[3] < 1 or M_t.shape[4] != 3:
            raise ValueError(
                f"M_t has shape {tuple(M_t.shape)}, expected (B, {self.settings.views}, N, K, 3) with K > 0"
            )
        batch, views, frames, points = M_t.shape[:4]
        expected = {
            "coarse": (coarse, (batch, views, frames, points, 3)),
            "found": (found, (batch, views, frames, points)),
            "anchors": (anchors, (batch, views, points, 2)),
            "t": (t, (batch,)),
            "point_mask": (point_mask, (batch, views, points)),
        }
        for name, (tensor, shape) in expected.items():
            if tensor is not None and tuple(tensor.shape) != shape:
                raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")

    def _identity(self, anchors: Tensor, frames: int) -> Tensor:
        """Return embeddings (B, V, N, K, C) of anchor, view and frame, which identify a point at any noise level."""
        anchor = self.anchor_embedding(rearrange(sinusoids(anchors), "b v k xy c -> b v 1 k (xy c)"))
        frame = self.frame_embedding(sinusoids(torch.linspace(0, 1, frames, device=anchors.device)))
        return anchor + rearrange(frame, "n c -> n 1 c") + rearrange(self.view_embedding, "v c -> v 1 1 c")

    def _layouts(self, places: Tensor, found: Tensor, anchors: Tensor, point_mask: Tensor | None) -> list[PointLayout]:
        """Return the arrangement of the points along each curve of ``settings.orders``.

        Args:
            places: (G, P, 3) positions of the P = V K points of all views in each of G = B N frames.
            found: (G, P) bool, whether a point has a coarse position.
            anchors: (B, V, K, 2) positions of the points in frame 0.
            point_mask: (B, V, K) bool, False for padding, or None.
        """
        settings = self.settings
        groups, points = places.shape[:2]
        frames = groups // len(anchors)
        rank = repeat(anchor_rank(rearrange(anchors, "b v k xy -> b (v k) xy")), "b p -> (b n) p", n=frames)
        grid = grid_coordinates(places, settings.voxel, settings.reach)
        if point_mask is None:
            is_real, index = None, torch.arange(groups * points, device=places.device)
        else:
            is_real = repeat(point_mask, "b v k -> (b n) (v k)", n=frames)
            index = is_real.flatten().nonzero()[:, 0]
        side = math.ceil(2 * settings.reach / settings.voxel) + 1
        voxels = build_voxel_map(index // points, grid.flatten(0, 1)[index], side, groups)
        layouts = []
        for order in settings.orders:
            windows = build_windows(z_order(grid, order), rank, is_real, settings.window or points)
            is_key = gather_windows(found[..., None], windows)[..., 0]
            is_key = torch.cat([torch.ones_like(is_key[:, :1]), is_key], dim=1)  # the null token first
            bias = None if is_real is None else attention_bias(gather_windows(is_real[..., None], windows)[..., 0])
            layouts.append(PointLayout(windows, bias, attention_bias(is_key), voxels, index))
        return layouts

    def _prepend_null(self, tokens: Tensor) -> Tensor:
        return torch.cat([self.null_token.expand(len(tokens), 1, -1), tokens], dim=1)


def interpolate_gaps(coarse: Tensor, found: Tensor) -> Tensor:
    """Return coarse tracks (B, V, N, K, 3) with the frames in which a point was not found interpolated linearly in time.

    Before the first and after the last frame in which it was found, a point keeps that position; a point that was never found is at the origin.
    """
    frames = torch.arange(found.shape[2], device=found.device).view(1, 1, -1, 1).expand(found.shape)
    last = len(frames[0, 0]) - 1
    before = frames.masked_fill(~found, -1).cummax(dim=2).values
    after = frames.masked_fill(~found, last + 1).flip(2).cummin(dim=2).values.flip(2)
    before, after = (
        torch.where(before < 0, after, before).clamp(max=last),
        torch.where(after > last, before, after).clamp(0, last),
    )
    share = (frames - before) / (after - before).clamp(min=1)
    start, end = (coarse.gather(2, each[..., None].expand_as(coarse)) for each in (before, after))
    return torch.where(found[..., None], coarse, start + share[..., None] * (end - start))


def group_frames(x: Tensor) -> Tensor:
    """Regroup features of tracks so that the points of all views of a frame are one group: (B, V, N, K, C) -> (B N, V K, C)."""
    return rearrange(x, "b v n k c -> (b n) (v k) c")


def sinusoids(x: Tensor) -> Tensor:
    """Return sines and cosines (..., 16) of numbers (...) in [0, 1], at 8 frequencies an octave apart."""
    angles = x[..., None] * (math.pi * 2.0 ** torch.arange(_OCTAVES, device=x.device))
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
