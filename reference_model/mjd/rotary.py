"""Rotary position tables in fp32, made anew on every forward: as buffers they would be cast by training engines that cast whole models."""

from __future__ import annotations

import torch
from diffusers.models.embeddings import get_1d_rotary_pos_embed
from torch import Tensor

from reference_model.mjd.tokens import TokenLayout

Rotary = tuple[Tensor, Tensor]
"""cos and sin, (1, S, 1, head_dim) float32 each."""

_THETA = 10000.0


def axes(head_dim: int) -> tuple[int, int, int]:
    """Channels of a head that turn with (time, row, column), as Wan divides them: 44, 42, 42 of 128."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def rotary(time: Tensor, height: int, width: int, head_dim: int) -> Rotary:
    """The table of tokens in the order (time, row, column); ``time`` (T,) holds positions, rows and columns count from 0.

    Equal to diffusers' WanRotaryPosEmbed for time 0, 1, 2, ...
    """
    device = time.device
    positions = (time, torch.arange(height, device=device), torch.arange(width, device=device))
    shape = (len(time), height, width)
    cos, sin = [], []
    for axis, (channels, position) in enumerate(zip(axes(head_dim), positions, strict=True)):
        tables = get_1d_rotary_pos_embed(
            channels, position, _THETA, use_real=True, repeat_interleave_real=True, freqs_dtype=torch.float64
        )
        along = [1, 1, 1, channels]
        along[axis] = shape[axis]
        for out, table in zip((cos, sin), tables, strict=True):
            out.append(table.float().view(along).expand(*shape, channels))
    return tuple(torch.cat(each, dim=-1).flatten(0, 2)[None, :, None] for each in (cos, sin))


def unturned(count: int, like: Rotary) -> Rotary:
    """The table of ``count`` tokens that have no place: cos 1, sin 0."""
    cos, sin = like
    return cos.new_ones(1, count, 1, cos.shape[-1]), sin.new_zeros(1, count, 1, sin.shape[-1])


def join(*tables: Rotary) -> Rotary:
    """Tables of token sequences that follow one another."""
    cos, sin = zip(*tables, strict=True)
    return torch.cat(cos, dim=1), torch.cat(sin, dim=1)


def rotaries(layout: TokenLayout, views: Tensor, head_dim: int) -> tuple[Rotary, Rotary]:
    """The tables of a folded frame and of a view's sequence; video and motion tokens of one place turn alike.

    Args:
        layout: the layout of a view's sequence.
        views: (V,) the position of each view, on the time axis of a folded frame.
        head_dim: channels of a head.
    """
    f, h, w = layout.grid
    meeting = layout.modalities if layout.inter_view == "joint" else 1
    frame = join(*(rotary(view, h, w, head_dim) for view in views.split(1) for _ in range(meeting)))
    modality = rotary(torch.arange(f, device=views.device), h, w, head_dim)
    return frame, join(*[modality] * layout.modalities, unturned(layout.special, modality))
