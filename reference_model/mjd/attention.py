"""The three attentions of a block, all of them Wan's own attention over differently arranged tokens."""

from __future__ import annotations

import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from torch import Tensor

from reference_model.mjd.rotary import Rotary
from reference_model.mjd.tokens import TokenLayout, fold, unfold


def wan_attention(width: int, heads: int, eps: float, *, cross: bool = False) -> WanAttention:
    """Attention as in Wan2.2: biases everywhere, RMS norms of queries and keys over all heads jointly."""
    head_dim = width // heads
    return WanAttention(
        width, heads, head_dim, eps, cross_attention_dim_head=head_dim if cross else None, processor=WanAttnProcessor()
    )


def inter_view_attention(
    attention: WanAttention, x: Tensor, layout: TokenLayout, rotary: Rotary, *, meet: bool
) -> Tensor:
    """Inter-view geometry attention: tokens of one latent frame attend to those of all views (section 3.3).

    Args:
        attention: the block's ``attn_view``.
        x: (B, V, S, d).
        layout: the layout of S.
        rotary: of a folded frame.
        meet: whether the special tokens of all views meet, as one more group; else nothing is added to them.

    Returns:
        (B, V, S, d).
    """
    frames, special = fold(x, layout)
    attended = attention(special) if meet and layout.special else torch.zeros_like(special)
    return unfold(attention(frames, None, None, rotary), attended, layout, views=x.shape[1])


def intra_view_attention(attention: WanAttention, x: Tensor, rotary: Rotary) -> Tensor:
    """Intra-view spatiotemporal attention: all tokens of a view, of all frames and both modalities, attend to one another."""
    return attention(x.flatten(0, 1), None, None, rotary).unflatten(0, x.shape[:2])


def text_cross_attention(attention: WanAttention, x: Tensor, text: Tensor) -> Tensor:
    """Text-conditioned cross-attention: x (B, V, S, d) attends to text (B, L, d); the views share the text's keys and values."""
    return attention(x.flatten(1, 2), text).unflatten(1, x.shape[1:3])
