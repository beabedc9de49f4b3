"""A block of the points aligner with all its weights at work equals its plain twin: point by point, window by window, head by head (Figure 2)."""

import dataclasses

import pytest
import torch
from torch.nn.functional import layer_norm

from reference_model.config import preset
from reference_model.dpa.block import PointBlock, PointLayout, attention_bias
from reference_model.dpa.point_serialization import build_windows, gather_windows, grid_coordinates, z_order
from reference_model.dpa.sparse_conv import build_voxel_map

BATCH, FRAMES, POINTS, WIDTH, HEADS = 2, 3, 12, 16, 2
GROUPS = BATCH * FRAMES


def norm(x, weight):
    """Root mean square over the last axis."""
    return x / (x.square().mean(-1, keepdim=True) + torch.finfo(torch.float32).eps).sqrt() * weight


def attend(attention, x, keys):
    """One set of points (S, C) attends to one set of keys (L, C)."""
    q, k, v = attention.to_q(x), attention.to_k(keys), attention.to_v(keys)
    out = []
    for head in range(HEADS):
        at = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
        scores = norm(q[:, at], attention.norm_q.weight) @ norm(k[:, at], attention.norm_k.weight).T
        out.append((scores / (WIDTH / HEADS) ** 0.5).softmax(-1) @ v[:, at])
    return attention.to_out(torch.cat(out, dim=-1))


def plain(block, x, coarse, null, time, found, groups, voxels, temporal):
    """The block on (G, P, C), where ``groups[g]`` are the windows of frame g."""
    # (G, 4 norms, shift and scale, C)
    rows = (time @ block.modulation.weight.T + block.modulation.bias).unflatten(-1, (4, 2, WIDTH))

    def modulated(number, x):
        shift, scale = rows[:, number, :1], rows[:, number, 1:]
        return layer_norm(x, (WIDTH,)) * (1 + scale) + shift

    windows_of_all = [(g, members) for g in range(GROUPS) for members in groups[g]]
    x = x + block.conv_out(block.conv(x.flatten(0, 1), voxels)).view_as(x)
    y, out = modulated(0, x), torch.zeros_like(x)
    for g, members in windows_of_all:
        out[g, members] = attend(block.inter_view, y[g, members], y[g, members])
    x = x + out
    y, out = modulated(1, x), torch.zeros_like(x)
    for g, members in windows_of_all:
        seen = [point for point in members if found[g, point]]
        out[g, members] = attend(block.coarse, y[g, members], torch.cat([null[None], coarse[g, seen]]))
    x = x + out
    if temporal:
        y, out = modulated(2, x), torch.zeros_like(x)
        for b in range(BATCH):
            frames = range(b * FRAMES, (b + 1) * FRAMES)
            for p in range(POINTS):
                track = torch.stack([y[g, p] for g in frames])
                for g, new in zip(frames, attend(block.temporal, track, track), strict=True):
                    out[g, p] = new
        x = x + out
    return x + block.mlp(modulated(3, x))


@torch.no_grad()
@pytest.mark.parametrize("temporal", [False, True])
@pytest.mark.parametrize("size", [POINTS, 4])
def test_a_block_is_its_plain_twin(size, temporal):
    torch.manual_seed(0)
    config = dataclasses.replace(
        preset("nano").dpa, width=WIDTH, heads=HEADS, sparse_conv="torch", temporal=temporal, voxel=0.5
    )
    block = PointBlock(config).eval()
    for parameter in block.parameters():  # as after training: nothing is at zero
        parameter.add_(torch.randn_like(parameter) * 0.2)
    x, coarse = torch.randn(2, GROUPS, POINTS, WIDTH)
    null, time, found = torch.randn(WIDTH), torch.randn(GROUPS, WIDTH), torch.rand(GROUPS, POINTS) < 0.6
    grid = grid_coordinates(torch.randn(GROUPS, POINTS, 3), config.voxel, config.reach)
    code, index = z_order(grid), torch.arange(GROUPS * POINTS)
    voxels = build_voxel_map(index // POINTS, grid.flatten(0, 1), int(2 * config.reach / config.voxel) + 1, GROUPS)
    at = build_windows(code, torch.arange(POINTS).expand_as(code), None, size)
    tokens = gather_windows(coarse, at)
    seen = torch.cat(
        [torch.ones(len(tokens), 1, dtype=torch.bool), gather_windows(found[..., None], at)[..., 0]], dim=1
    )
    layout = PointLayout(at, None, attention_bias(seen), voxels, index)
    conditions = torch.cat([null.expand(len(tokens), 1, -1), tokens], dim=1)
    ours = block(x, conditions, time, layout, BATCH)
    order = code.argsort(dim=1, stable=True).tolist()
    groups = [[points[i : i + size] for i in range(0, POINTS, size)] for points in order]
    theirs = plain(block, x, coarse, null, time, found, groups, voxels, temporal)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
