"""One block of multi-view joint diffusion (SyncMV4D, Figure 2 and section 3.3)."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor, nn

from reference_model.config import MJDConfig
from reference_model.mjd.attention import (
    inter_view_attention,
    intra_view_attention,
    text_cross_attention,
    wan_attention,
)
from reference_model.mjd.modulation import TimeRows, add_gated, modulate, span_rows
from reference_model.mjd.rotary import Rotary
from reference_model.mjd.tokens import TokenLayout


class MultiViewBlock(nn.Module):
    """Modulation, inter-view attention, intra-view attention, text cross-attention, MLP.

    Children that Wan's block has too bear its names, so that Wan's weights load by name.  New are ``attn_view`` and the tables that end in ``_view``
    or ``_motion``.
    """

    def __init__(self, config: MJDConfig) -> None:
        super().__init__()
        d, heads, eps = config.width, config.num_attention_heads, config.eps
        self.special_tokens_meet = config.special_tokens_meet
        self.norm_view = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.attn_view = wan_attention(d, heads, eps)
        self.norm1 = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.attn1 = wan_attention(d, heads, eps)
        self.norm2 = FP32LayerNorm(d, eps, elementwise_affine=True)
        self.attn2 = wan_attention(d, heads, eps, cross=True)
        self.norm3 = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.ffn = FeedForward(d, inner_dim=config.ffn_dim, activation_fn="gelu-approximate")
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, d) / d**0.5)
        self.scale_shift_table_motion = nn.Parameter(torch.randn(1, 6, d) / d**0.5)
        self.scale_shift_table_view = nn.Parameter(torch.randn(1, 3, d) / d**0.5)
        self.scale_shift_table_view_motion = nn.Parameter(torch.randn(1, 3, d) / d**0.5)

    def forward(
        self, x: Tensor, text: Tensor, time: TimeRows, frame_rotary: Rotary, view_rotary: Rotary, layout: TokenLayout
    ) -> Tensor:
        """X (B, V, S, d) -> (B, V, S, d).

        Arguments are positional, as gradient checkpointing wants them.

        Args:
            x: tokens.
            text: (B, L, d).
            time: six rows a span: attention's shift, scale, gate, and the MLP's.  Inter-view attention takes attention's.
            frame_rotary: of a folded frame, for inter-view attention.
            view_rotary: of a view, for intra-view attention.
            layout: the layout of S.
        """
        spans = layout.spans
        view_shift, view_scale, view_gate = span_rows(
            self.scale_shift_table_view, self.scale_shift_table_view_motion, time.rows(3)
        )
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = span_rows(
            self.scale_shift_table, self.scale_shift_table_motion, time
        )

        y = modulate(self.norm_view, x, spans, view_shift, view_scale)
        y = inter_view_attention(self.attn_view, y, layout, frame_rotary, meet=self.special_tokens_meet)
        x = add_gated(x, y, spans, view_gate)

        y = modulate(self.norm1, x, spans, shift, scale)
        y = intra_view_attention(self.attn1, y, view_rotary)
        x = add_gated(x, y, spans, gate)

        y = self.norm2(x.float()).type_as(x)
        x = x + text_cross_attention(self.attn2, y, text)

        y = modulate(self.norm3, x, spans, mlp_shift, mlp_scale)
        return add_gated(x, self.ffn(y), spans, mlp_gate)
