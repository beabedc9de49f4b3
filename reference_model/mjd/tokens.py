"""Tokens of multi-view joint diffusion: their layout, rearrangement and rotary positions.

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
"""cos and sin, (1, S, 1, head_dim) float32 each."""

_THETA = 10000.0


@dataclass(frozen=True)
class TokenLayout:
    """The sequence of one view: [video | motion | special], each video and motion part in the order (frame, row, column).

    Attributes:
        grid: (F, h, w), patches of a modality along time, rows and columns.
        has_video: whether there are video tokens.
        has_motion: whether there are motion tokens.
        special_tokens: number of scale and register tokens; they describe motion, so 0 without it.
        has_image: whether video frame 0 is the clean reference image.
        inter_view: ``joint`` if video and motion tokens of a frame attend to each other across views.
    """

    grid: tuple[int, int, int]
    has_video: bool
    has_motion: bool
    special_tokens: int
    has_image: bool
    inter_view: Literal["joint", "separate"] = "joint"

    @property
    def modalities(self) -> int:
        """Number of modalities, video and motion."""
        return self.has_video + self.has_motion

    @property
    def tokens_per_frame(self) -> int:
        """Tokens of a latent frame in one modality, h w."""
        return self.grid[1] * self.grid[2]

    @property
    def grid_tokens(self) -> int:
        """Tokens on the grid, in all modalities."""
        return self.modalities * self.grid[0] * self.tokens_per_frame

    @property
    def spans(self) -> tuple[int, int, int]:
        """Lengths of the spans with one modulation each: the clean image, noisy video, and motion with the special tokens."""
        modality = self.grid[0] * self.tokens_per_frame
        clean = self.tokens_per_frame * int(self.has_video and self.has_image)
        return clean, modality * int(self.has_video) - clean, modality * int(self.has_motion) + self.special_tokens

    @property
    def length(self) -> int:
        """S, tokens of a view."""
        return self.grid_tokens + self.special_tokens

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Split (B, V, S, d) into video, motion and special tokens."""
        clean, noisy, _ = self.spans
        return x.split([clean + noisy, self.grid_tokens - clean - noisy, self.special_tokens], dim=2)


def fold(x: Tensor, layout: TokenLayout) -> tuple[Tensor, Tensor]:
    """Fold tokens by frames for inter-view attention: all views of a frame in one sequence (section 3.3).

    Args:
        x: (B, V, S, d).
        layout: the layout of S.

    Returns:
        (B F, V m h w, d) if modalities are joint, else (B F m, V h w, d); and the special tokens of all views, (B, V 8, d).
    """
    pattern = "b v (m f p) d -> (b f) (v m p) d" if layout.inter_view == "joint" else "b v (m f p) d -> (b f m) (v p) d"
    frames = rearrange(x[:, :, : layout.grid_tokens], pattern, m=layout.modalities, f=layout.grid[0])
    return frames, rearrange(x[:, :, layout.grid_tokens :], "b v s d -> b (v s) d")


def unfold(frames: Tensor, special: Tensor, layout: TokenLayout, views: int) -> Tensor:
    """Invert ``fold``: (B, V, S, d)."""
    pattern = "(b f) (v m p) d -> b v (m f p) d" if layout.inter_view == "joint" else "(b f m) (v p) d -> b v (m f p) d"
    grid = rearrange(frames, pattern, m=layout.modalities, f=layout.grid[0], v=views)
    return torch.cat([grid, rearrange(special, "b (v s) d -> b v s d", v=views)], dim=2)


def unpatchify(tokens: Tensor, grid: tuple[int, int, int], patch_size: tuple[int, int, int]) -> Tensor:
    """Convert projected tokens (B, V, F h w, p_t p_h p_w C) to latents (B, V, C, n, H, W); channels vary fastest in a patch, as in Wan."""
    (f, h, w), (t, p, q) = grid, patch_size
    return rearrange(tokens, "b v (f h w) (t p q c) -> b v c (f t) (h p) (w q)", f=f, h=h, w=w, t=t, p=p, q=q)


def replace_first_frame(z: Tensor, z_image: Tensor) -> Tensor:
    """Replace the first frame of video latents by the image's, which is never noisy (section 3.3).

    Args:
        z: (..., C, n, h, w).
        z_image: (..., C, 1, h, w).
    """
    return torch.cat([z_image, z[..., 1:, :, :]], dim=-3)


def rotary_tables(layout: TokenLayout, views: Tensor, head_dim: int) -> tuple[Rotary, Rotary]:
    """Build the rotary tables of a folded frame and of a view's sequence; video and motion tokens of one place have the same.

    They are built in float32 on every forward, since training engines would cast buffers with the model.

    Args:
        layout: the layout of a view's sequence.
        views: (V,) the position of each view, on the time axis of a folded frame.
        head_dim: channels of a head.
    """
    f, h, w = layout.grid
    repeats = layout.modalities if layout.inter_view == "joint" else 1
    frame = concat_rotary(*(rotary_table(view, h, w, head_dim) for view in views.split(1) for _ in range(repeats)))
    modality = rotary_table(torch.arange(f, device=views.device), h, w, head_dim)
    return frame, concat_rotary(*[modality] * layout.modalities, identity_rotary(layout.special_tokens, modality))


def rotary_table(time: Tensor, height: int, width: int, head_dim: int) -> Rotary:
    """Build the table of tokens in the order (time, row, column); ``time`` (T,) has positions, rows and columns count from 0.

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
    """Divide a head's channels among time, row and column as Wan does: 44, 42, 42 of 128."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def identity_rotary(count: int, like: Rotary) -> Rotary:
    """Build the table of ``count`` tokens without a place: cos 1, sin 0."""
    cos, sin = like
    return cos.new_ones(1, count, 1, cos.shape[-1]), sin.new_zeros(1, count, 1, sin.shape[-1])


def concat_rotary(*tables: Rotary) -> Rotary:
    """Concatenate the tables of consecutive token sequences."""
    cos, sin = zip(*tables, strict=True)
    return torch.cat(cos, dim=1), torch.cat(sin, dim=1)
