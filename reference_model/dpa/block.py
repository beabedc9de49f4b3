"""One block of the points aligner: xCPE, inter-view geometry attention, coarse-motion cross-attention, MLP (SyncMV4D paper, section 3.4, Figure 2).

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
from reference_model.float32_layers import Float32Linear

_MASKED = -1e4
"""Attention bias of masked keys: finite, so that a window of masked keys only gives no NaN."""


class PointLayout(NamedTuple):
    """The arrangement of the P points of each of G frames along one curve, built once for all blocks that use this curve.

    Attributes:
        windows: w attention windows per frame, each of s consecutive points along the curve.
        key_bias: attention bias of the points as keys (G w, 1, 1, s), or None without padding.
        coarse_key_bias: attention bias of the coarse points as keys (G w, 1, 1, 1 + s); first is the null token, a learned key that is never masked.
        voxels: the voxels of the points that are not padding, for sparse convolution.
        real_points: (R,) indices, among the G P points, of those that are not padding.
    """

    windows: Windows
    key_bias: Tensor | None
    coarse_key_bias: Tensor
    voxels: VoxelMap
    real_points: Tensor


def attention_bias(is_key: Tensor) -> Tensor:
    """Return the attention bias (G, 1, 1, s) of G windows of s keys: 0 where ``is_key`` (G, s) is true, a large negative number elsewhere."""
    return rearrange(torch.where(is_key, 0.0, _MASKED), "g s -> g 1 1 s")


class PointBlock(nn.Module):
    """A block of the points aligner: the points of all views of a frame attend to each other, and to the coarse points from MJD, in windows.

    A window has consecutive points along a space-filling curve.  A sparse convolution first encodes positions, and an MLP follows; the noise level
    scales and shifts the inputs of attention and MLP.
    """

    def __init__(self, config: DPAConfig) -> None:
        super().__init__()
        c, heads = config.width, config.heads
        self.conv = SubmanifoldConv(c, config.sparse_conv)
        self.conv_out = nn.Sequential(nn.Linear(c, c), nn.LayerNorm(c))
        self.norms = nn.ModuleList([nn.LayerNorm(c, elementwise_affine=False) for _ in range(4)])
        self.modulation = Float32Linear(c, 8 * c)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        self.inter_view = Attention(c, heads)
        self.coarse = Attention(c, heads)
        self.temporal = Attention(c, heads) if config.temporal else None
        self.mlp = nn.Sequential(nn.Linear(c, 4 * c), nn.GELU(), nn.Linear(4 * c, c))

    def forward(self, x: Tensor, coarse: Tensor, time: Tensor, layout: PointLayout, batch: int) -> Tensor:
        """Transform point tokens (G, P, C), and return the same shape.

        Arguments are positional, as gradient checkpointing requires.

        Args:
            x: tokens of the P points of each of G = B N frames (B samples of N frames), all views together.
            coarse: tokens of the coarse points, window by window with the null token first, (G w, 1 + s, C).
            time: (G, C) embedding of the noise level.
            layout: the arrangement of the points along this block's curve.
            batch: B, number of samples.
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
        """Return xCPE (G, P, C), Point Transformer V3's position encoding: a sparse convolution of the points' features; zero for padding."""
        features = x.flatten(0, 1)[layout.real_points]
        encoded = self.conv_out(self.conv(features, layout.voxels)).type_as(x)
        return torch.zeros_like(x).flatten(0, 1).index_copy(0, layout.real_points, encoded).view_as(x)

    def _modulate(self, norm: int, x: Tensor, rows: tuple[Tensor, ...]) -> Tensor:
        shift, scale = rows[2 * norm : 2 * norm + 2]
        return self.norms[norm](x) * (1 + scale) + shift


class Attention(nn.Module):
    """Multi-head attention with RMS-normalized queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.norm_q, self.norm_k = FP32RMSNorm(width // heads), FP32RMSNorm(width // heads)

    def forward(self, x: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
        """Attend from x (G, S, C) to keys (G, L, C), and return (G, S, C); ``bias`` (G, 1, 1, L) is added to the attention scores."""
        q, k, v = (
            rearrange(each, "g s (h c) -> g h s c", h=self.heads)
            for each in (self.to_q(x), self.to_k(keys), self.to_v(keys))
        )
        bias = None if bias is None else bias.to(q.dtype)
        q, k = self.norm_q(q).type_as(v), self.norm_k(k).type_as(v)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.to_out(rearrange(attended, "g h s c -> g s (h c)"))


class FP32RMSNorm(nn.RMSNorm):
    """A root-mean-square norm over the last axis that is always computed in float32."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x (..., C), and return the same shape in float32."""
        return rms_norm(x.float(), self.normalized_shape, self.weight.float(), self.eps)
