"""One transformer block of the multi-view joint diffusion model (SyncMV4D paper, Figure 2 and section 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.normalization import FP32LayerNorm
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor
from einops import rearrange
from torch import Tensor, nn

from reference_model.config import MJDConfig
from reference_model.mjd.tokens import Rotary, TokenLayout, fold, unfold


class MultiViewBlock(nn.Module):
    """A transformer block of inter-view attention, intra-view attention, text cross-attention and an MLP, modulated by the noise level.

    Modules that Wan's block has too have its names, so that Wan's weights load by name.  ``attn_view`` and the tables that end in ``_view`` or
    ``_motion`` are new.
    """

    def __init__(self, config: MJDConfig) -> None:
        super().__init__()
        d, heads, eps = config.width, config.num_attention_heads, config.eps
        self.special_tokens_meet = config.special_tokens_meet
        has_view, has_motion = config.inter_view != "none", config.motion
        self.norm_view = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.attn_view = wan_attention(d, heads, eps) if has_view else None
        self.norm1 = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.attn1 = wan_attention(d, heads, eps)
        self.norm2 = FP32LayerNorm(d, eps, elementwise_affine=True)
        self.attn2 = wan_attention(d, heads, eps, cross=True)
        self.norm3 = FP32LayerNorm(d, eps, elementwise_affine=False)
        self.ffn = FeedForward(d, inner_dim=config.ffn_dim, activation_fn="gelu-approximate")
        self.scale_shift_table = nn.Parameter(torch.randn(1, 6, d) / d**0.5)
        self.scale_shift_table_motion = nn.Parameter(torch.randn(1, 6, d) / d**0.5) if has_motion else None
        self.scale_shift_table_view = nn.Parameter(torch.randn(1, 3, d) / d**0.5) if has_view else None
        self.scale_shift_table_view_motion = (
            nn.Parameter(torch.randn(1, 3, d) / d**0.5) if has_view and has_motion else None
        )

    def forward(
        self, x: Tensor, text: Tensor, time: TimeRows, frame_rotary: Rotary, view_rotary: Rotary, layout: TokenLayout
    ) -> Tensor:
        """Transform tokens (B, V, S, d), and return the same shape.

        Arguments are positional, as gradient checkpointing requires.

        Args:
            x: S tokens of d channels for each of B samples and V views.
            text: (B, L, d) tokens of the prompts.
            time: six rows per span of tokens: shift, scale and gate of attention, and of the MLP; inter-view attention uses those of attention.
            frame_rotary: rotary table of the tokens of one latent frame in all views, for inter-view attention.
            view_rotary: rotary table of the tokens of one view, for intra-view attention.
            layout: the layout of the S tokens.
        """
        spans = layout.spans
        if self.attn_view is not None:
            view_shift, view_scale, view_gate = modulation_rows(
                self.scale_shift_table_view, self.scale_shift_table_view_motion, time.first(3)
            )
            y = modulate(self.norm_view, x, spans, view_shift, view_scale)
            y = inter_view_attention(
                self.attn_view, y, layout, frame_rotary, special_tokens_meet=self.special_tokens_meet
            )
            x = add_gated(x, y, spans, view_gate)

        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = modulation_rows(
            self.scale_shift_table, self.scale_shift_table_motion, time
        )
        y = modulate(self.norm1, x, spans, shift, scale)
        y = intra_view_attention(self.attn1, y, view_rotary)
        x = add_gated(x, y, spans, gate)

        y = self.norm2(x.float()).type_as(x)
        x = x + text_cross_attention(self.attn2, y, text)

        y = modulate(self.norm3, x, spans, mlp_shift, mlp_scale)
        return add_gated(x, self.ffn(y), spans, mlp_gate)


def wan_attention(width: int, heads: int, eps: float, *, cross: bool = False) -> WanAttention:
    """Build an attention layer as in Wan2.2: all projections have biases, and queries and keys are RMS-normalized over all heads jointly.

    ``cross`` builds it for attention to the text, otherwise it is for attention of the tokens to each other.
    """
    head_dim = width // heads
    return WanAttention(
        width, heads, head_dim, eps, cross_attention_dim_head=head_dim if cross else None, processor=WanAttnProcessor()
    )


def inter_view_attention(
    attention: WanAttention, x: Tensor, layout: TokenLayout, rotary: Rotary, *, special_tokens_meet: bool
) -> Tensor:
    """Apply inter-view attention (section 3.3 of the SyncMV4D paper): the tokens of a latent frame attend to those of this frame in all views.

    Args:
        attention: the block's ``attn_view``.
        x: (B, V, S, d) tokens of B samples and V views.
        layout: the layout of the S tokens.
        rotary: rotary table of the tokens of one latent frame in all views.
        special_tokens_meet: whether the special (scale and register) tokens of all views attend to each other, as one more group.

    Returns:
        The attention's output (B, V, S, d), to be added to x; zero for special tokens if they do not meet.
    """
    frames, special = fold(x, layout)
    has_group = special_tokens_meet and layout.special_tokens > 0
    special = attention(special) if has_group else torch.zeros_like(special)
    return unfold(attention(frames, None, None, rotary), special, layout, views=x.shape[1])


def intra_view_attention(attention: WanAttention, x: Tensor, rotary: Rotary) -> Tensor:
    """Apply intra-view attention to x (B, V, S, d): all tokens of a view, of all frames, video and motion, attend to each other; same shape out."""
    y = attention(rearrange(x, "b v s d -> (b v) s d"), None, None, rotary)
    return rearrange(y, "(b v) s d -> b v s d", v=x.shape[1])


def text_cross_attention(attention: WanAttention, x: Tensor, text: Tensor) -> Tensor:
    """Apply cross-attention from x (B, V, S, d) to text (B, L, d), and return (B, V, S, d); the views share the text's keys and values."""
    return rearrange(attention(rearrange(x, "b v s d -> b (v s) d"), text), "b (v s) d -> b v s d", v=x.shape[1])


class TimeRows(NamedTuple):
    """The projected noise level of each span of tokens, which is added to the modulation tables: (B, r, d), r rows of shifts, scales and gates.

    Only two noise levels occur, t and 0 (the reference image, which is clean), so a sequence has three spans with one modulation each: the clean
    image, noisy video, and motion.  Nothing is gathered per token: at 25,764 tokens that would be 1.9 GB in fp32.
    """

    clean: Tensor
    video: Tensor
    motion: Tensor

    def first(self, count: int) -> TimeRows:
        """Return the first ``count`` rows of each span."""
        return TimeRows(*(each[:, :count] for each in self))


def modulation_rows(video: Tensor, motion: Tensor | None, time: TimeRows) -> list[list[Tensor]]:
    """Add the projected noise levels to the modulation tables (1, r, d) of video and motion, whose r rows are shifts, scales and gates.

    The clean image is video at another noise level, so it uses the table of video.  A model of videos only has no table of motion, and no tokens
    in that span.

    Returns:
        A list of r rows, each a list of one (B, 1, 1, d) float32 tensor per span of tokens: clean image, noisy video, motion.
    """
    tables = video, video, video if motion is None else motion
    spans = [table.float() + each.float() for table, each in zip(tables, time, strict=True)]
    return [[rearrange(span[:, row], "b d -> b 1 1 d") for span in spans] for row in range(video.shape[1])]


def modulate(
    norm: nn.Module, x: Tensor, spans: Sequence[int], shift: Iterable[Tensor], scale: Iterable[Tensor]
) -> Tensor:
    """Return norm(x) (1 + scale) + shift, computed in float32, of tokens x (B, V, S, d); each span of tokens has its own scale and shift."""
    parts = zip(x.split(list(spans), dim=2), shift, scale, strict=True)
    return torch.cat([norm(part.float()) * (1 + s) + a for part, a, s in parts], dim=2).type_as(x)


def add_gated(x: Tensor, y: Tensor, spans: Sequence[int], gate: Iterable[Tensor]) -> Tensor:
    """Return x + y gate, computed in float32, of tokens x and a layer's output y (B, V, S, d); each span of tokens has its own gate."""
    parts = zip(x.split(list(spans), dim=2), y.split(list(spans), dim=2), gate, strict=True)
    return torch.cat([part.float() + new * g for part, new, g in parts], dim=2).type_as(x)
