"""The fast ALIKED network against kornia's, the plain twin, with the same random weights."""

import numpy as np
import pytest
import torch
from kornia.feature import ALIKED

from hoibench.metrics.backbones.aliked_network import BLOCK, FastAliked, selu_


@pytest.fixture(scope="module")
def twins():
    torch.manual_seed(0)
    plain = ALIKED("aliked-n16", 300, -1.0)
    for name, tensor in plain.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        if name.endswith("running_mean"):
            tensor.normal_()
    fast = FastAliked("aliked-n16", 300, -1.0)
    fast.load_state_dict(plain.state_dict())
    return [network.eval().requires_grad_(False).to(memory_format=torch.channels_last) for network in (plain, fast)]


def sorted_features(found):
    """Return points and descriptors by the points' order in the image: equal scores have no order."""
    order = np.lexsort(found.keypoints.round().numpy().T)
    return found.keypoints.numpy()[order], found.descriptors.numpy()[order]


def test_points_and_descriptors_equal_kornias(twins, texture):
    """Also in a batch, with padding, and where the memory of another size is kept."""
    images = torch.from_numpy(np.stack([texture(90, 140, seed) for seed in (0, 1)])).permute(0, 3, 1, 2) / 255.0
    plain, fast = twins
    first = images[:1, :, :64, :96]
    for batch in (images, first, images.flip(0), first):
        with torch.inference_mode():
            wanted, given = plain(batch), fast(batch)
        for one, other in zip(wanted, given, strict=True):
            (points, descriptors), (ours, our_descriptors) = sorted_features(one), sorted_features(other)
            assert len(points) > 50 and len(points) == len(ours)
            np.testing.assert_allclose(ours, points, atol=1e-3)
            np.testing.assert_allclose(our_descriptors, descriptors, atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_selu_equals_torchs(layout):
    x = (4 * torch.randn(2, 8, 120, 90)).contiguous(memory_format=layout)
    assert x.numel() > BLOCK and x.numel() % BLOCK
    wanted = torch.nn.functional.selu(x)
    assert selu_(x) is x
    assert (x - wanted).abs().max() < 1e-6
