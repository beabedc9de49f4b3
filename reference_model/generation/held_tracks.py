"""Tracks without gaps from tracks that were found in some frames only."""

from __future__ import annotations

import torch
from torch import Tensor


def hold_last_found(tracks: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Return tracks in which a point that is not found in a frame keeps its last found place; before it is first found, it has its first.

    Args:
        tracks: (B, V, N, K, 3) places of K points in N frames.
        found: (B, V, N, K) bool, whether a point was found in a frame.

    Returns:
        The tracks, and a bool (B, V, N, K) that is true in all frames of a point that was found in any.
    """
    frames = torch.arange(found.shape[2], device=found.device)[:, None]
    last = torch.where(found, frames, -1).cummax(dim=2).values
    first = found.int().argmax(dim=2, keepdim=True)
    held = torch.where(last < 0, first, last)
    return tracks.take_along_dim(held[..., None], dim=2), found.any(dim=2, keepdim=True).expand_as(found)
