"""Tokens of the multi-view joint diffusion model: their layout, rearrangement and rotary position embeddings.

Axes in einops patterns: b samples, v views, s tokens of a view, m modalities, f latent frames, p tokens per frame, d channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from einops import rearrange
from torch import Tensor

Rotary = tuple[Tensor, Tensor]
"""A rotary table of S tokens: cos and sin of their position embeddings, (1, S, 1, head_dim) float32 each."""

_THETA = 10000.0


@dataclass(frozen=True)
class TokenLayout:
    """The layout of one view's token sequence: [video | motion | special], video and motion each in the order (frame, row, column).

    Attributes:
        grid: (F, h, w), numbers of patches of a modality (video or motion) along time, rows and columns.
        has_video: whether there are video tokens.
        has_motion: whether there are motion tokens.
        special_tokens: number of scale and register tokens of a view; they describe motion, so 0 without it.
        has_image: whether video frame 0 is the clean reference image.
        inter_view: ``joint`` if video and motion tokens of a frame attend to each other across views, ``separate`` if not, ``none`` if no tokens do.
    """

    grid: tuple[int, int, int]
    has_video: bool
    has_motion: bool
    special_tokens: int
    has_image: bool
    inter_view: Literal["joint", "separate", "none"] = "joint"

    @property
    def modalities(self) -> int:
        """Number of modalities in the sequence: 2 for video and motion, 1 for one of them."""
        return self.has_video + self.has_motion

    @property
    def tokens_per_frame(self) -> int:
        """Number of tokens of a latent frame in one modality (video or motion), h w."""
        return self.grid[1] * self.grid[2]

    @property
    def grid_tokens(self) -> int:
        """Number of video and motion tokens of a view, without the special tokens."""
        return self.modalities * self.grid[0] * self.tokens_per_frame

    @property
    def spans(self) -> tuple[int, int, int]:
        """Lengths of the three spans of tokens that share a modulation: the clean image, noisy video, and motion with the special tokens."""
        modality = self.grid[0] * self.tokens_per_frame
        clean = self.tokens_per_frame * int(self.has_video and self.has_image)
        return clean, modality * int(self.has_video) - clean, modality * int(self.has_motion) + self.special_tokens

    @property
    def length(self) -> int:
        """Number of tokens of a view, S."""
        return self.grid_tokens + self.special_tokens

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split tokens (B, V, S, d) along S into video, motion and special tokens."""
        clean, noisy, _ = self.spans
        return x.split([clean + noisy, self.grid_tokens - clean - noisy, self.special_tokens], dim=2)


def fold(x: Tensor, layout: TokenLayout) -> tuple[Tensor, Tensor]:
    """Regroup tokens for inter-view attention: those of one latent frame, of all views, become one sequence (SyncMV4D paper, section 3.3).

    Args:
        x: (B, V, S, d) tokens of B samples and V views.
        layout: the layout of the S tokens, with F latent frames, m modalities and n special tokens.

    Returns:
        Sequences (B F, V m h w, d) if video and motion attend to each other, else (B F m, V h w, d); and the special tokens (B, V n, d).
    """
    pattern = "b v (m f p) d -> (b f) (v m p) d" if layout.inter_view == "joint" else "b v (m f p) d -> (b f m) (v p) d"
    frames = rearrange(x[:, :, : layout.grid_tokens], pattern, m=layout.modalities, f=layout.grid[0])
    return frames, rearrange(x[:, :, layout.grid_tokens :], "b v s d -> b (v s) d")


def unfold(frames: Tensor, special: Tensor, layout: TokenLayout, views: int) -> Tensor:
    """Undo ``fold``: put sequences of frames and special tokens, in the shapes that ``fold`` returns, back in the order of tokens (B, V, S, d)."""
    pattern = "(b f) (v m p) d -> b v (m f p) d" if layout.inter_view == "joint" else "(b f m) (v p) d -> b v (m f p) d"
    grid = rearrange(frames, pattern, m=layout.modalities, f=layout.grid[0], v=views)
    return torch.cat([grid, rearrange(special, "b (v s) d -> b v s d", v=views)], dim=2)


def unpatchify(tokens: Tensor, grid: tuple[int, int, int], patch_size: tuple[int, int, int]) -> Tensor:
    """Convert projected tokens (B, V, F h w, p_t p_h p_w C) to latents (B, V, C, F p_t, h p_h, w p_w); a patch has its channels last, as in Wan."""
    (f, h, w), (t, p, q) = grid, patch_size
    return rearrange(tokens, "b v (f h w) (t p q c) -> b v c (f t) (h p) (w q)", f=f, h=h, w=w, t=t, p=p, q=q)


def replace_first_frame(z: Tensor, z_image: Tensor) -> Tensor:
    """Return video latents with their first frame replaced by the reference image's, which is never noisy (SyncMV4D paper, section 3.3).

    Args:
        z: latents of a video, (..., C, n, h, w).
        z_image: latents of its reference image, (..., C, 1, h, w).
    """
    return torch.cat([z_image, z[..., 1:, :, :]], dim=-3)


def rotary_tables(layout: TokenLayout, views: Tensor, head_dim: int) -> tuple[Rotary, Rotary]:
    """Return two rotary tables: of the tokens of one latent frame in all views, and of all tokens of one view.

    Video and motion tokens at the same position have the same values.

    The tables are built in float32 on every forward, since training engines would cast buffers with the model.

    Args:
        layout: the layout of a view's sequence.
        views: (V,) the position of each view, which takes the place of time in the first table.
        head_dim: channels of an attention head.
    """
    f, h, w = layout.grid
    repeats = layout.modalities if layout.inter_view == "joint" else 1
    frame = concat_rotary(*(rotary_table(view, h, w, head_dim) for view in views.split(1) for _ in range(repeats)))
    modality = rotary_table(torch.arange(f, device=views.device), h, w, head_dim)
    return frame, concat_rotary(*[modality] * layout.modalities, identity_rotary(layout.special_tokens, modality))


def rotary_table(time: Tensor, height: int, width: int, head_dim: int) -> Rotary:
    """Return the rotary table of a grid of tokens in the order (time, row, column); ``time`` (T,) has positions, rows and columns count from 0.

    Equal to diffusers' WanRotaryPosEmbed for time 0, 1, 2, ...
    """
    device = time.device
    positions = (time, torch.arange(height, device=device), torch.arange(width, device=device))
    patterns = ("t c -> t 1 1 c", "h c -> 1 h 1 c", "w c -> 1 1 w c")
    tables: tuple[list[Tensor], list[Tensor]] = [], []
    for pattern, channels, position in zip(patterns, rotary_channels(head_dim), positions, strict=True):
        cos_and_sin = get_1d_rotary_pos_embed(
            channels, position, _THETA, use_real=True, repeat_interleave_real=True, freqs_dtype=torch.float64
        )
        for out, table in zip(tables, cos_and_sin, strict=True):
            out.append(rearrange(table.float(), pattern).expand(len(time), height, width, channels))
    cos, sin = (rearrange(torch.cat(each, dim=-1), "t h w c -> 1 (t h w) 1 c") for each in tables)
    return cos, sin


def rotary_channels(head_dim: int) -> tuple[int, int, int]:
    """Return how many of an attention head's channels encode time, row and column, as in Wan: 44, 42 and 42 of 128."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def identity_rotary(count: int, like: Rotary) -> Rotary:
    """Return the rotary table of ``count`` tokens without a position: cos 1, sin 0, otherwise like the table ``like``."""
    cos, sin = like
    return cos.new_ones(1, count, 1, cos.shape[-1]), sin.new_zeros(1, count, 1, sin.shape[-1])


def concat_rotary(*tables: Rotary) -> Rotary:
    """Join rotary tables (cos and sin) of several token sequences to the table of their concatenation."""
    cos, sin = zip(*tables, strict=True)
    return torch.cat(cos, dim=1), torch.cat(sin, dim=1)
