"""RAFT: our loop over torchvision's modules against its plain forward, with random weights; padding; the names in its checkpoint."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from checkpoint_files import DAMAGES, write_zeros
from torchvision.models.optical_flow import raft_large

from hoibench.metrics.backbones.raft import Raft, load_network, load_raft
from hoibench.metrics.optical_flow import frame_flows
from hoibench.metrics.regions import frame_pairs
from hoibench.weights import WeightsMissing


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return raft_large(weights=None, progress=False).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def encoded(network):
    """The number of images in each call of the feature encoder."""
    calls = []
    network.feature_encoder.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    return calls


def to_input(image):
    return 2 * (torch.from_numpy(image.astype(np.float32) / 255.0).permute(2, 0, 1)[None]) - 1


def test_flows_equal_torchvisions_plain_forward(network, encoded, texture):
    images = [texture(128, 160)[:, 4 * n : 4 * n + 128].copy() for n in range(3)]
    encoded.clear()
    pairs = list(pairwise(images))
    found = list(Raft(network, "cpu", {}, batch=2).flows(pairs))
    assert sum(encoded) == 3  # the middle image, of both pairs, once
    for flow, (image, other) in zip(found, pairs, strict=True):
        with torch.inference_mode():
            plain = network(to_input(image), to_input(other), num_flow_updates=20)[-1][0].permute(1, 2, 0).numpy()
        assert np.abs(plain).max() > 1  # random weights move something
        np.testing.assert_allclose(flow, plain, rtol=1e-4, atol=1e-3)


def test_sides_are_padded_to_multiples_of_8_by_repeating_the_border(network, texture):
    """VBench's InputPadder: of an odd number of columns or rows, one more is at the right and at the bottom."""
    given = []
    hook = network.context_encoder.register_forward_hook(lambda _, inputs, __: given.append(inputs[0]))
    image = texture(131, 133)
    (flow,) = Raft(network, "cpu", {}).flows([(image, image)])
    hook.remove()
    padded = np.pad(image, ((2, 3), (1, 2), (0, 0)), mode="edge")
    assert flow.shape == (136, 136, 2)
    np.testing.assert_allclose(given[0].numpy(), to_input(padded).numpy(), atol=1e-6)


def test_each_frame_is_encoded_once_in_the_full_frame(network, encoded, texture, monkeypatch):
    monkeypatch.setattr("hoibench.metrics.backbones.raft.UPDATES", 1)
    frames = np.stack([texture(128, 128, seed) for seed in (0, 1, 2, 2, 2)])
    encoded.clear()
    flows = frame_flows(Raft(network, "cpu", {}, batch=2), frame_pairs(frames, None, range(5)))
    assert len(flows) == 4 and flows[2] is flows[3]
    assert sum(encoded) == 4  # the pair of the last two frames is known


SHAPES = {name: tuple(tensor.shape) for name, tensor in raft_large(weights=None, progress=False).state_dict().items()}


def test_a_file_with_the_real_names_and_shapes_loads(tmp_path):
    assert len(SHAPES) == 169
    loaded = load_network(write_zeros(tmp_path / "raft.pth", SHAPES))
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    assert sum(p.numel() for p in loaded.parameters()) == 5_257_536
    assert not any(p.any() for p in loaded.parameters())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_another_network_is_refused_with_the_name_of_the_tensor(tmp_path, damage):
    name = "mask_predictor.conv.weight"
    path = write_zeros(tmp_path / "raft.pth", SHAPES, damage, name)
    with pytest.raises(ValueError, match=name):
        load_network(path)


def test_missing_weights_give_the_command_that_fetches_them(monkeypatch, tmp_path):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match="hoibench weights fetch raft-large-c_t_v1"):
        load_raft("cpu", tmp_path)
