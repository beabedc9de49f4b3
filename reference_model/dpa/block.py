"""One block of the points aligner: xCPE, inter-view geometry attention, coarse-motion cross-attention, MLP (SyncMV4D, section 3.4 and Figure 2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from reference_model.config import DPAConfig
from reference_model.dpa.serialization import Windows, gather, scatter
from reference_model.dpa.sparse_conv import SubmanifoldConv, VoxelMap

_HIDDEN = -1e4
"""Added to the score of a key that is not to be seen: finite, so that a window of such keys alone gives no NaN."""


class Cloud(NamedTuple):
    """How the points of all frames are arranged; made once for all blocks.

    Attributes:
        windows: of the points along a curve, for attention.
        hidden: (G w, 1, 1, s) added to the scores of the points as keys, or None where all of them are points.
        unfound: the same of the coarse points, (G w, 1, 1, 1 + s), the null token first.
        voxels: for sparse convolution, of the points that are there.
        real_points: (G P,) indices of these points.
    """

    windows: Windows
    hidden: Tensor | None
    unfound: Tensor
    voxels: VoxelMap
    real_points: Tensor


def scores_of(seen: Tensor) -> Tensor:
    """What is added to the scores of keys (G, s), (G, 1, 1, s): nothing where they are seen."""
    return torch.where(seen, 0.0, _HIDDEN)[:, None, None]


class FP32RMSNorm(nn.RMSNorm):
    """A root-mean-square norm in float32, whatever features and weights are."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C) float32."""
        return rms_norm(x.float(), self.normalized_shape, self.weight.float(), self.eps)


class Attention(nn.Module):
    """Multi-head attention with normed queries and keys."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v, self.to_out = (nn.Linear(width, width) for _ in range(4))
        self.norm_q, self.norm_k = FP32RMSNorm(width // heads), FP32RMSNorm(width // heads)

    def forward(self, x: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
        """X (G, S, C) attends to keys (G, L, C); ``bias`` (G, 1, 1, L) is added to the scores."""
        q, k, v = (
            each.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for each in (self.to_q(x), self.to_k(keys), self.to_v(keys))
        )
        bias = None if bias is None else bias.to(q.dtype)
        q, k = self.norm_q(q).type_as(v), self.norm_k(k).type_as(v)
        attended = scaled_dot_product_attention(q, k, v, attn_mask=bias)
        return self.to_out(attended.transpose(1, 2).flatten(2))


class PointBlock(nn.Module):
    """Points of all views of a frame, in windows along a curve, attend to one another and to the coarse motion; each norm is modulated by t."""

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

    def forward(self, x: Tensor, coarse: Tensor, time: Tensor, cloud: Cloud, shape: tuple[int, int]) -> Tensor:
        """X (G, P, C) -> (G, P, C).

        Arguments are positional, as gradient checkpointing wants them.

        Args:
            x: point tokens of G = B N frames.
            coarse: the coarse motion's tokens, window by window with the null token first, (G w, 1 + s, C).
            time: (G, C), of the noise level.
            cloud: the arrangement of the points.
            shape: (B, N).
        """
        rows = self.modulation(time)[:, None].chunk(8, dim=-1)
        x = x + self._positions(x, cloud)

        y = gather(self._modulated(0, x, rows), cloud.windows)
        x = x + scatter(self.inter_view(y, y, cloud.hidden), cloud.windows)

        y = gather(self._modulated(1, x, rows), cloud.windows)
        x = x + scatter(self.coarse(y, coarse, cloud.unfound), cloud.windows)

        if self.temporal is not None:
            y = self._modulated(2, x, rows).unflatten(0, shape).transpose(1, 2).flatten(0, 1)  # (B P, N, C)
            x = x + self.temporal(y, y, None).unflatten(0, (shape[0], -1)).transpose(1, 2).flatten(0, 1)

        return x + self.mlp(self._modulated(3, x, rows))

    def _positions(self, x: Tensor, cloud: Cloud) -> Tensor:
        """XCPE, Point Transformer V3's position encoding: a sparse convolution of the points that are there."""
        features = x.flatten(0, 1)[cloud.real_points]
        encoded = self.conv_out(self.conv(features, cloud.voxels)).type_as(x)
        return torch.zeros_like(x).flatten(0, 1).index_copy(0, cloud.real_points, encoded).view_as(x)

    def _modulated(self, norm: int, x: Tensor, rows: tuple[Tensor, ...]) -> Tensor:
        shift, scale = rows[2 * norm : 2 * norm + 2]
        return self.norms[norm](x) * (1 + scale) + shift
