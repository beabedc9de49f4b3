"""The points aligner on spconv and in plain torch: equal velocities, and equal gradients of all weights and inputs."""

import dataclasses

import pytest
import torch

from reference_model.config import preset
from reference_model.dpa.model import DiffusionPointsAligner

B, V, N, K = 2, 3, 4, 40


def aligner(backend, **changes):
    """Return a points aligner whose weights have the same seed and are all nonzero."""
    settings = dataclasses.replace(preset("nano").dpa, sparse_conv=backend, voxel=0.5, window=32, **changes)
    torch.manual_seed(0)
    model = DiffusionPointsAligner(settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def case(device):
    """Some coarse points not found, and one view short of points."""
    g = torch.Generator().manual_seed(1)
    M_t, coarse = torch.randn(2, B, V, N, K, 3, generator=g).to(device)
    found = torch.rand(B, V, N, K, generator=g).to(device) < 0.7
    point_mask = torch.ones(B, V, K, dtype=torch.bool, device=device)
    point_mask[0, 1, 25:] = False
    anchors, t = torch.rand(B, V, K, 2, generator=g), torch.rand(B, generator=g)
    return M_t.requires_grad_(), coarse.requires_grad_(), found, anchors.to(device), t.to(device), point_mask


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("temporal", [False, True])
def test_both_backends_make_one_aligner(device, temporal):
    pytest.importorskip("spconv", reason="spconv-cu120 has no wheel for this platform")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    results = []
    for backend in ("torch", "spconv"):
        model, given = aligner(backend, temporal=temporal).to(device), case(device)
        v = model(*given)
        v.square().mean().backward()
        gradients = {name: each.grad for name, each in model.named_parameters()}
        results.append({"v": v.detach(), "M_t": given[0].grad, "coarse": given[1].grad, **gradients})
    in_torch, convolve_spconv = results
    assert in_torch.keys() == convolve_spconv.keys()
    for name, expected in in_torch.items():
        assert expected.any(), name
        torch.testing.assert_close(
            convolve_spconv[name], expected, rtol=1e-3, atol=1e-5 * float(expected.abs().max()), msg=name
        )
