"""The cost of the loop without its networks: sparse convolution in torch and spconv, Chamfer from nearest pairs and from all distances.

The input is one frame of the paper's size: 3 views of 1600 points.
"""

import pytest
import torch

from reference_model.cycle.losses import chamfer
from reference_model.dpa.point_serialization import grid_coordinates
from reference_model.dpa.sparse_conv import SubmanifoldConv, build_voxel_map

VIEWS, POINTS, CHANNELS = 3, 1600, 64
REACH, EDGE = 4.0, 0.05


def surface(g):
    """Return points of three wavy sheets of 40 cm, in units of 20 cm: (1, V, 1, K, 3)."""
    xy = torch.rand(1, VIEWS, 1, POINTS, 2, generator=g) * 2 - 1
    return torch.cat([xy, 0.25 * torch.sin(4 * xy).sum(-1, keepdim=True)], dim=-1)


@pytest.fixture(scope="module")
def cloud():
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(0)
    points = surface(g)
    grid = grid_coordinates(points.view(-1, 3), EDGE, REACH)
    at = build_voxel_map(torch.zeros(len(grid), dtype=torch.int64), grid, int(2 * REACH / EDGE) + 1, 1)
    return at, torch.randn(len(grid), CHANNELS, generator=g)


@pytest.mark.benchmark(group="sparse convolution: 4,800 points of a frame, 64 channels, forward and backward")
@pytest.mark.parametrize("backend", ["torch", "spconv"])
def test_sparse_convolution(benchmark, backend, cloud):
    if backend == "spconv":
        pytest.importorskip("spconv.pytorch", reason="spconv-cu120 has no wheel for this platform")
    torch.manual_seed(0)
    at, x = cloud
    layer, x = SubmanifoldConv(CHANNELS, backend), x.clone().requires_grad_()

    def forward_and_backward():
        layer.zero_grad()
        out = layer(x, at)
        out.square().sum().backward()
        return out.detach()

    out = benchmark.pedantic(forward_and_backward, rounds=15, warmup_rounds=3)
    torch.manual_seed(0)
    assert torch.allclose(out, SubmanifoldConv(CHANNELS, "torch")(x.detach(), at), atol=1e-5)


def all_distances(prediction, target, point_mask):
    """Compute Chamfer from all distances, with gradients through each."""
    one, other = (each.transpose(1, 2)[0, 0].flatten(0, 1) for each in (prediction, target))
    squares = (one[:, None] - other).square().sum(-1)
    return (squares.amin(dim=1).mean() + squares.amin(dim=0).mean()) / 2


@pytest.mark.benchmark(group="chamfer: 4,800 points of a frame, forward and backward")
@pytest.mark.parametrize("implementation", [chamfer, all_distances])
def test_chamfer(benchmark, implementation):
    torch.set_num_threads(1)
    g = torch.Generator().manual_seed(0)
    target = surface(g)
    prediction = (target + 0.05 * torch.randn(target.shape, generator=g)).requires_grad_()
    point_mask = torch.ones(1, VIEWS, POINTS, dtype=torch.bool)

    def forward_and_backward():
        prediction.grad = None
        value = implementation(prediction, target, point_mask)
        value.backward()
        return value.detach(), prediction.grad

    value, slope = benchmark.pedantic(forward_and_backward, rounds=5, warmup_rounds=1)
    again = prediction.detach().clone().requires_grad_()
    expected = chamfer(again, target, point_mask)
    expected.backward()
    assert torch.allclose(value, expected) and torch.allclose(slope, again.grad, atol=1e-7)
