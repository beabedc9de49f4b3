"""One block of the points aligner: xCPE, inter-view geometry attention, coarse-motion cross-attention, MLP (SyncMV4D, section 3.4 and Figure 2).

Axes in einops patterns: g = b n groups (frame n of sample b), p points of all views of a frame, s points of a window, h heads, c channels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from reference_model.config import DPAConfig
from reference_model.dpa.point_serialization import Windows, gather_windows, scatter_windows
from reference_model.dpa.sparse_conv import SubmanifoldConv, VoxelMap

_MASKED = -1e4
"""Attention bias of masked keys: finite, so that a window of masked keys only gives no NaN."""


class PointLayout(NamedTuple):
    """The arrangement of the points of all frames, built once for all blocks.

    Attributes:
        windows: of the points along a curve, for attention.
        key_bias: attention bias of the points as keys (G w, 1, 1, s), or None without padding.
        coarse_key_bias: attention bias of the coarse points (G w, 1, 1, 1 + s), the null token first.
        voxels: of the points that are not padding, for sparse convolution.
        real_points: (G P,) indices of these points.
    """

    windows: Windows
    key_bias: Tensor | None
    coarse_key_bias: Tensor
    voxels: VoxelMap
    real_points: Tensor


def attention_bias(is_key: Tensor) -> Tensor:
    """Compute the attention bias (G, 1, 1, s) of keys (G, s): 0 for keys, a large negative number for masked ones."""
    return rearrange(torch.where(is_key, 0.0, _MASKED), "g s -> g 1 1 s")


class PointBlock(nn.Module):
    """Points of all views of a frame, in windows along a curve, attend to each other and to the coarse motion; each norm is modulated by t."""

    def __init__(self, config: DPAConfig) -> None:
        super().__init__()
        c, heads = config.width, config.heads
        self.conv = SubmanifoldConv(c, config.sparse_conv)
        self.conv_out = nn.Sequential(nn.Linear(c, c), nn.LayerNorm(c))
        self.norms = nn.ModuleList([nn.LayerNorm(c, elementwise_affine=False) for _ in range(4)])
        self.modulation = nn.Linear(c, 8 * c)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.inter_view = Attention(c, heads)
        self.coarse = Attention(c, heads)
        self.temporal = Attention(c, heads) if config.temporal else None
        self.mlp = nn.Sequential(nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))

    def forward(self, x: Tensor, coarse: Tensor, time: Tensor, layout: PointLayout, batch: int) -> Tensor:
        """Transform point tokens (G, P, C) -> (G, P, C).

        Arguments are positional, as gradient checkpointing requires.

        Args:
            x: point tokens of G = B N frames.
            coarse: tokens of the coarse motion, window by window with the null token first, (G w, 1 + s, C).
            time: (G, C), of the noise level.
            layout: the arrangement of the points.
            batch: B.
        """
        rows = rearrange(self.modulation(time), "g c -> g 1 c").chunk(8, dim=-1)
        x = x + self._encode_positions(x, layout)

        y = gather_windows(self._modulate(0, x, rows), layout.windows)
        x = x + scatter_windows(self.inter_view(y, y, layout.key_bias), layout.windows)

        y = gather_windows(self._modulate(1, x, rows), layout.windows)
        x = x + scatter_windows(self.coarse(y, coarse, layout.coarse_key_bias), layout.windows)

        if self.temporal is not None:
            y = rearrange(self._modulate(2, x, rows), "(b n) p c -> (b p) n c", b=batch)
            x = x + rearrange(self.temporal(y, y, None), "(b p) n c -> (b n) p c", b=batch)

        return x + self.mlp(self._modulate(3, x, rows))

    def _encode_positions(self, x: Tensor, layout: PointLayout) -> Tensor:
        """Compute xCPE, Point Transformer V3's position encoding: a sparse convolution of the points that are not padding."""
        features = x.flatten(0, 1)[layout.real_points]
        encoded = self.conv_out(self.conv(features, layout.voxels)).type_as(x)
        return torch.zeros_like(x).flatten(0, 1).index_copy(0, layout.real_points, encoded).view_as(x)

    def _modulate(self, norm: int, x: Tensor, rows: tuple[Tensor, ...]) -> Tensor:
        shift, scale = rows[2 * norm : 2 * norm + 2]
        return self.norms[norm](x) * (1 + scale) + shift


class Attention(nn.Module):
    """Multi-head attention with normalized queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.norm_q, self.norm_k = FP32RMSNorm(width // heads), FP32RMSNorm(width // heads)

    def forward(self, x: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
        """Attend from x (G, S, C) to keys (G, L, C); ``bias`` (G, 1, 1, L) is added to the scores."""
        q, k, v = (
            rearrange(each, "g s (h c) -> g h s c", h=self.heads)
            for each in (self.to_q(x), self.to_k(keys), self.to_v(keys))
        )
        bias = None if bias is None else bias.to(q.dtype)
        q, k = self.norm_q(q).type_as(v), self.norm_k(k).type_as(v)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.to_out(rearrange(attended, "g h s c -> g s (h c)"))


class FP32RMSNorm(nn.RMSNorm):
    """A root-mean-square norm that is always computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (..., C) -> (..., C) float32."""
        return rms_norm(x.float(), self.normalized_shape, self.weight.float(), self.eps)
