"""A block with all its weights at work equals its plain twin: token by token, each by its view, modality, frame, row and column (Figure 2)."""

import dataclasses
from itertools import product

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from tiny_mjd import NANO

from reference_model.mjd.block import MultiViewBlock, TimeRows
from reference_model.mjd.tokens import TokenLayout, rotary_tables

B, V, D = 2, 3, NANO.width
GRID = (2, 3, 2)
TOKENS = [*product(("video", "motion"), *map(range, GRID)), *[("special",)] * 3]
"""Tokens of a view, in the order of its sequence: (modality, frame, row, column)."""
COS, SIN = (
    table[0, :, 0].unflatten(0, (V, 3, 3))
    for table in WanRotaryPosEmbed(NANO.attention_head_dim, (1, 1, 1), 8)(torch.empty(1, 1, V, 3, 3))
)


def turned(places):
    """Wan's tables of places (time, row, column); None is no place, where nothing turns."""
    cos = [torch.ones_like(COS[0, 0, 0]) if place is None else COS[place] for place in places]
    sin = [torch.zeros_like(SIN[0, 0, 0]) if place is None else SIN[place] for place in places]
    return torch.stack(cos)[None, :, None], torch.stack(sin)[None, :, None]


def rows(table, table_motion, time):
    """Shift, scale, gate, ... of each token, (B, 1, S, d): video's table in frame 0 at the clean level, motion's for the special tokens, too."""

    def of(token):
        if token[0] != "video":
            return table_motion + time.motion[:, : table.shape[1]]
        return table + (time.clean if token[1] == 0 else time.video)[:, : table.shape[1]]

    return torch.stack([of(token) for token in TOKENS], dim=2)[:, :, None].unbind(1)


def inter_view(attention, y, config):
    """Groups of tokens, of all views, that see each other: a frame's, or its modality's apart; and the special ones."""
    groups = {}
    for view, (s, (modality, *place)) in product(range(V), enumerate(TOKENS)):
        apart = modality if config.inter_view == "separate" or not place else ""
        groups.setdefault((apart, *place[:1]), []).append((view, s, (view, *place[1:]) if place else None))
    out = torch.zeros_like(y)
    for (apart, *_), members in groups.items():
        if apart == "special" and not config.special_tokens_meet:
            continue
        views, positions, places = zip(*members, strict=True)
        out[:, views, positions] = attention(y[:, views, positions], None, None, turned(places))
    return out


def plain(block, x, text, time, config):
    shift, scale, gate = rows(block.scale_shift_table_view, block.scale_shift_table_view_motion, time)
    x = x + gate * inter_view(block.attn_view, block.norm_view(x) * (1 + scale) + shift, config)
    shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = rows(
        block.scale_shift_table, block.scale_shift_table_motion, time
    )
    y = block.norm1(x) * (1 + scale) + shift
    turns = turned([tuple(place) or None for _, *place in TOKENS])
    x = x + gate * torch.stack([block.attn1(y[:, view], None, None, turns) for view in range(V)], dim=1)
    y = block.norm2(x)
    x = x + torch.stack([block.attn2(y[:, view], text) for view in range(V)], dim=1)
    return x + mlp_gate * block.ffn(block.norm3(x) * (1 + mlp_scale) + mlp_shift)


@torch.no_grad()
@pytest.mark.parametrize("meet", [True, False])
@pytest.mark.parametrize("inter", ["joint", "separate"])
def test_a_block_is_its_plain_twin(inter, meet):
    torch.manual_seed(0)
    config = dataclasses.replace(NANO, inter_view=inter, special_tokens_meet=meet)
    block = MultiViewBlock(config).eval()
    layout = TokenLayout(GRID, has_video=True, has_motion=True, special_tokens=3, has_image=True, inter_view=inter)
    x, text = torch.randn(B, V, len(TOKENS), D), torch.randn(B, 5, D)
    time = TimeRows(*torch.randn(3, B, 6, D))
    frame_rotary, view_rotary = rotary_tables(layout, torch.arange(V), config.attention_head_dim)
    ours = block(x, text, time, frame_rotary, view_rotary, layout)
    theirs = plain(block, x, text, time, config)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
