"""Submanifold convolution in plain torch, on spconv, and as a dense convolution of the same voxels."""

import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.fx import _symbolic_trace

from reference_model.dpa.sparse_conv import SubmanifoldConv, build_voxel_map

SIDE, CLOUDS, CHANNELS = 6, 3, 5


def case(seed, count):
    g = torch.Generator().manual_seed(seed)
    cloud, grid = torch.randint(CLOUDS, (count,), generator=g), torch.randint(SIDE, (count, 3), generator=g)
    torch.manual_seed(seed)
    layer = SubmanifoldConv(CHANNELS, "torch")
    torch.nn.init.normal_(layer.bias)
    return layer, torch.randn(count, CHANNELS, generator=g), cloud, grid


def dense(layer, x, cloud, grid):
    """Average the points of a voxel, convolve the complete grid, select the occupied voxels: the definition."""
    full = torch.zeros(CLOUDS, SIDE, SIDE, SIDE, CHANNELS)
    occupied = torch.zeros(CLOUDS, SIDE, SIDE, SIDE)
    for feature, c, (i, j, k) in zip(x, cloud.tolist(), grid.tolist(), strict=True):
        full[c, i, j, k] += feature
        occupied[c, i, j, k] += 1
    full = (full / occupied.clamp(min=1)[..., None]).movedim(-1, 1)
    out = torch.nn.functional.conv3d(full, layer.weight.permute(0, 4, 1, 2, 3), layer.bias, padding=1).movedim(1, -1)
    return out[cloud, *grid.unbind(-1)]


@given(st.integers(0, 1000), st.integers(1, 150))
@settings(max_examples=30, deadline=None)
def test_sparse_convolution_equals_the_dense_convolution_at_occupied_voxels(seed, count):
    layer, x, cloud, grid = case(seed, count)
    at = build_voxel_map(cloud, grid, SIDE, CLOUDS)
    assert torch.allclose(layer(x, at), dense(layer, x, cloud, grid), atol=1e-5)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_spconv_and_torch_give_equal_outputs_and_gradients(device):
    pytest.importorskip("spconv", reason="spconv-cu120 has no wheel for this platform")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    layer, x, cloud, grid = case(0, 200)
    at = build_voxel_map(cloud.to(device), grid.to(device), SIDE, CLOUDS)
    other = SubmanifoldConv(CHANNELS, "spconv")
    other.load_state_dict(layer.state_dict())
    weights, results = torch.randn(200, CHANNELS, device=device), []
    for each in (layer, other):
        each.to(device)
        given_x = x.to(device).requires_grad_()
        out = each(given_x, at)
        (out * weights).sum().backward()
        results.append((out, given_x.grad, each.weight.grad, each.bias.grad))
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, atol=1e-5)


def test_gradients_are_those_of_the_definition():
    layer, x, cloud, grid = case(1, 80)
    at = build_voxel_map(cloud, grid, SIDE, CLOUDS)
    gradients = []
    for way in (lambda: layer(x, at), lambda: dense(layer, x, cloud, grid)):
        layer.zero_grad()
        way().square().sum().backward()
        gradients.append((layer.weight.grad.clone(), layer.bias.grad.clone()))
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", ["torch", "spconv"])
def test_no_points_at_all_still_pass_a_gradient_to_the_weights(backend):
    """A parameter without one would stop distributed training."""
    if backend == "spconv":
        pytest.importorskip("spconv", reason="spconv-cu120 has no wheel for this platform")
    at = build_voxel_map(torch.zeros(0, dtype=torch.long), torch.zeros(0, 3, dtype=torch.long), SIDE, 1)
    layer = SubmanifoldConv(CHANNELS, backend)
    out = layer(torch.zeros(0, CHANNELS), at)
    out.sum().backward()
    assert out.shape == (0, CHANNELS) and not layer.weight.grad.any() and not layer.bias.grad.any()


def test_neighbours_do_not_wrap_around_the_grid():
    """The last voxel of a row and the first of the next are no neighbours, nor are two clouds."""
    grid = torch.tensor([[0, 0, SIDE - 1], [0, 1, 0], [0, 0, SIDE - 1]])
    at = build_voxel_map(torch.tensor([0, 0, 1]), grid, SIDE, 2)
    assert (at.neighbours >= 0).sum() == 3  # each its own only


def test_spconv_finds_neighbours_once_for_all_layers():
    """The table of plain torch is not built if spconv is used."""
    pytest.importorskip("spconv", reason="spconv-cu120 has no wheel for this platform")
    layer, x, cloud, grid = case(2, 60)
    at = build_voxel_map(cloud, grid, SIDE, CLOUDS)
    first, second = SubmanifoldConv(CHANNELS, "spconv"), SubmanifoldConv(CHANNELS, "spconv")
    with torch.no_grad():
        first(x, at)
    (pairs,) = at.pairs.values()
    out = second(x, at)
    assert list(at.pairs.values()) == [pairs] and "neighbours" not in vars(at)
    second.load_state_dict(layer.state_dict())
    assert torch.allclose(second(x, at), layer(x, at), atol=1e-5) and out.requires_grad


def test_spconv_logs_nothing_of_tracing():
    """A message that PyTorch logs once per process is filtered; other messages of that logger are not."""
    pytest.importorskip("spconv", reason="spconv-cu120 has no wheel for this platform")
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    log = logging.getLogger("torch.fx._symbolic_trace")
    log.addHandler(handler)
    _symbolic_trace.is_fx_tracing_warning.cache_clear()
    try:
        at = build_voxel_map(torch.zeros(2, dtype=torch.long), torch.tensor([[0, 0, 0], [1, 2, 3]]), SIDE, 1)
        SubmanifoldConv(CHANNELS, "spconv")(torch.ones(2, CHANNELS), at)
        log.warning("another")
    finally:
        log.removeHandler(handler)
    assert [record.getMessage() for record in records] == ["another"]
