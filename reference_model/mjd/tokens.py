"""Where each token lies: a view's sequence, and its rearrangement by frames for inter-view attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class TokenLayout:
    """The sequence of one view: [video | motion | special], each video and motion part in the order (frame, row, column).

    Attributes:
        grid: (F, h, w), patches of a modality along time, rows and columns.
        video: whether there are video tokens.
        motion: whether there are motion tokens.
        special: scale and register tokens, none without motion, which they describe.
        held: whether video frame 0 is the clean reference image.
        inter_view: ``joint`` where video and motion tokens of a frame meet in inter-view attention.
    """

    grid: tuple[int, int, int]
    video: bool
    motion: bool
    special: int
    held: bool
    inter_view: Literal["joint", "separate"] = "joint"

    @property
    def modalities(self) -> int:
        """How many of video and motion there are."""
        return self.video + self.motion

    @property
    def frame(self) -> int:
        """Tokens of a latent frame in one modality, h w."""
        return self.grid[1] * self.grid[2]

    @property
    def placed(self) -> int:
        """Tokens that have a place on the grid, in all modalities."""
        return self.modalities * self.grid[0] * self.frame

    @property
    def spans(self) -> tuple[int, int, int]:
        """Lengths of the parts that share a modulation: the clean image, noisy video, and motion with the special tokens."""
        f, video = self.grid[0], int(self.video)
        clean = self.frame * video * int(self.held)
        return clean, f * self.frame * video - clean, f * self.frame * int(self.motion) + self.special

    @property
    def length(self) -> int:
        """S, tokens of a view."""
        return self.placed + self.special

    def split(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Video, motion and special tokens of (B, V, S, d)."""
        clean, noisy, _ = self.spans
        return x.split([clean + noisy, self.placed - clean - noisy, self.special], dim=2)


def replace_first_frame(z: Tensor, z_image: Tensor) -> Tensor:
    """Video latents whose first frame is the image's, which is never noisy (section 3.3).

    Args:
        z: (..., C, n, h, w).
        z_image: (..., C, 1, h, w).

    Raises:
        ValueError: the image's latent has another shape.
    """
    expected = (*z.shape[:-3], 1, *z.shape[-2:])
    if z_image.shape != expected:
        raise ValueError(
            f"the image's latent is {tuple(z_image.shape)}: expected {expected} for a video's {tuple(z.shape)}"
        )
    return torch.cat([z_image, z[..., 1:, :, :]], dim=-3)


def fold(x: Tensor, layout: TokenLayout) -> tuple[Tensor, Tensor]:
    """Tokens by frames, all views of a frame in one sequence, for inter-view attention (section 3.3).

    Args:
        x: (B, V, S, d).
        layout: the layout of S.

    Returns:
        (B F, V m h w, d) where modalities meet, else (B F m, V h w, d); and the special tokens of all views, (B, V 8, d).
    """
    batch, views, _, d = x.shape
    placed = x[:, :, : layout.placed].unflatten(2, (layout.modalities, layout.grid[0], layout.frame))  # b v m f p d
    by_frame = placed.permute(0, 3, 1, 2, 4, 5) if layout.inter_view == "joint" else placed.permute(0, 3, 2, 1, 4, 5)
    groups = batch * layout.grid[0] * (1 if layout.inter_view == "joint" else layout.modalities)
    return by_frame.reshape(groups, -1, d), x[:, :, layout.placed :].reshape(batch, views * layout.special, d)


def unfold(placed: Tensor, special: Tensor, layout: TokenLayout, views: int) -> Tensor:
    """The inverse of ``fold``: (B, V, S, d)."""
    d, (f, m, p) = placed.shape[-1], (layout.grid[0], layout.modalities, layout.frame)
    if layout.inter_view == "joint":
        by_view = placed.reshape(-1, f, views, m, p, d).permute(0, 2, 3, 1, 4, 5)
    else:
        by_view = placed.reshape(-1, f, m, views, p, d).permute(0, 3, 2, 1, 4, 5)
    batch = by_view.shape[0]
    parts = (by_view.reshape(batch, views, -1, d), special.reshape(batch, views, layout.special, d))
    return torch.cat(parts, dim=2)


def unpatchify(patches: Tensor, grid: tuple[int, int, int], patch_size: tuple[int, int, int]) -> Tensor:
    """Latents of projected tokens: (B, V, F h w, p_t p_h p_w C) -> (B, V, C, n, H, W); channels vary fastest within a patch, as in Wan."""
    batch, views = patches.shape[:2]
    f, h, w = grid
    t, p, q = patch_size
    z = patches.reshape(batch, views, f, h, w, t, p, q, -1).permute(0, 1, 8, 2, 5, 3, 6, 4, 7)
    return z.reshape(batch, views, -1, f * t, h * p, w * q)
