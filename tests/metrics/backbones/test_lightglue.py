"""LightGlue with random weights of the real format: the network's own class fed by hand, batches, and the names in its checkpoints."""

import numpy as np
import pytest
import torch
from checkpoint_files import DAMAGES, write_zeros
from kornia.feature import LightGlue
from matcher_shapes import SUPERPOINT, lightglue_shapes

from hoibench.metrics.backbones.features import Features
from hoibench.metrics.backbones.lightglue import (
    LightGlueMatcher,
    _as_corners,
    _as_upsampled,
    load_aliked_lightglue,
    load_gim_lightglue,
    load_network,
)
from hoibench.metrics.epipolar import DEFAULT_MAGSAC, GIM_MAGSAC
from hoibench.weights import WeightsMissing


@pytest.fixture(scope="module", params=[128, 256])
def checkpoint(request, tmp_path_factory):
    """A file of random weights that match equal descriptors, and the length of descriptors."""
    torch.manual_seed(0)
    network = LightGlue(features=None, input_dim=request.param)
    state = network.state_dict()
    del state["confidence_thresholds"]
    state["log_assignment.8.final_proj.weight"] *= 30
    state["log_assignment.8.matchability.bias"] += 5
    path = tmp_path_factory.mktemp("weights") / "lightglue.pth"
    torch.save({f"model.{name}": tensor for name, tensor in state.items()}, path)
    return path, request.param


def random_features(rng, count, descriptor, size=(128, 192)):
    points = rng.uniform((4, 4), (size[1] - 5, size[0] - 5), (count, 2)).astype(np.float32)
    descriptors = rng.normal(size=(count, descriptor)).astype(np.float32)
    return Features(points, descriptors / np.linalg.norm(descriptors, axis=1, keepdims=True), size)


def moved(features, rng):
    """Return the same points elsewhere, in another order, and their former indices."""
    order = rng.permutation(len(features.points))
    return Features((features.points + np.float32(2.5))[order], features.descriptors[order], features.size), order


@pytest.fixture(scope="module")
def matcher(checkpoint):
    path, descriptor = checkpoint
    network = load_network(path, "cpu", descriptor, "model.")
    return LightGlueMatcher("test", None, _as_corners if descriptor == 256 else _as_upsampled, network, "cpu", {})


def test_matches_equal_those_of_the_networks_own_class(checkpoint, matcher):
    path, descriptor = checkpoint
    rng = np.random.default_rng(0)
    a = random_features(rng, 60, descriptor)
    b, order = moved(a, rng)
    (pairs,) = matcher.match([(a, b)])
    own = LightGlue(features=None, input_dim=descriptor, flash=False, depth_confidence=-1, width_confidence=-1)
    state = torch.load(path, weights_only=True)
    own.load_state_dict({name.removeprefix("model."): tensor for name, tensor in state.items()}, strict=False)

    def to_input(features):
        # GIM counts pixel centres at halves; ALIKED's points are those of the image of twice the size.
        points = features.points + 0.5 if descriptor == 256 else 2 * features.points + 0.5
        size = torch.tensor([[192.0, 128.0]]) * (1 if descriptor == 256 else 2)
        return {
            "keypoints": torch.from_numpy(points)[None],
            "descriptors": torch.from_numpy(features.descriptors)[None],
            "image_size": size,
        }

    with torch.no_grad():
        found = own.eval()({"image0": to_input(a), "image1": to_input(b)})
    assert pairs.tolist() == found["matches"][0].tolist()
    assert len(pairs) > 20 and np.mean(order[pairs[:, 1]] == pairs[:, 0]) > 0.9
    assert not matcher.network.training
    assert found["log_assignment"].shape == (1, 61, 61)


def test_pairs_in_a_batch_have_the_matches_of_single_pairs(matcher, checkpoint):
    rng = np.random.default_rng(1)
    pairs = []
    for count in (40, 24, 40, 0):
        a = random_features(rng, count, checkpoint[1])
        pairs.append((a, moved(a, rng)[0]))
    pairs.append((pairs[0][0], pairs[3][0]))  # an image without points
    calls = []
    hook = matcher.network.register_forward_hook(
        lambda _, inputs, __: calls.append(len(inputs[0]["image0"]["keypoints"]))
    )
    single = matcher.match(pairs)
    assert calls == 5 * [1]
    calls.clear()
    batched = LightGlueMatcher("test", None, matcher.to_input, matcher.network, torch.device("cpu"), {}).match(pairs)
    hook.remove()
    assert sorted(calls) == [1, 1, 1, 2]
    assert [found.tolist() for found in batched] == [found.tolist() for found in single]
    assert [len(found) for found in single[3:]] == [0, 0] and min(map(len, single[:3])) > 5


def test_loading_does_not_change_the_process_settings(checkpoint):
    before = torch.backends.cuda.flash_sdp_enabled()
    load_network.__wrapped__(checkpoint[0], "cpu", checkpoint[1], "model.")
    assert torch.backends.cuda.flash_sdp_enabled() == before


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("descriptor", "prefix", "count"), [(128, "", 253), (256, "model.", 251)])
def test_a_wrong_tensor_is_named(tmp_path, descriptor, prefix, count, damage):
    shapes = lightglue_shapes(descriptor, prefix)
    assert len(shapes) == count
    name = "transformers.3.cross_attn.to_v.weight"
    path = write_zeros(tmp_path / "damaged.pth", shapes, damage, prefix + name)
    with pytest.raises(ValueError, match=rf"(?s)damaged\.pth does not fit LightGlue: .*{name}"):
        load_network.__wrapped__(path, "cpu", descriptor, prefix)


@pytest.mark.parametrize(("descriptor", "prefix"), [(128, ""), (256, "model.")])
def test_a_checkpoint_with_the_real_names_loads(tmp_path, descriptor, prefix):
    path = write_zeros(tmp_path / "whole.pth", lightglue_shapes(descriptor, prefix))
    load_network.__wrapped__(path, "cpu", descriptor, prefix)


@pytest.mark.parametrize(
    ("load", "id"), [(load_gim_lightglue, "gim-lightglue-100h"), (load_aliked_lightglue, "aliked-n16")]
)
def test_missing_weights_give_the_command_that_fetches_them(monkeypatch, tmp_path, load, id):
    monkeypatch.delenv("HOIBENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("HOIBENCH_CACHE", str(tmp_path))
    with pytest.raises(WeightsMissing, match=f"hoibench weights fetch {id}"):
        load("cpu", tmp_path)


def test_gims_matcher_has_gims_settings(tmp_path, monkeypatch):
    """GIM's file, complete in names and shapes, gives both networks; each matcher has its own MAGSAC."""
    path = write_zeros(tmp_path / "gim_lightglue_100h.ckpt", {**SUPERPOINT, **lightglue_shapes(256, "model.")})
    monkeypatch.setattr("hoibench.metrics.backbones.lightglue.find_weights", lambda id, folder: path)
    gim = load_gim_lightglue("cpu")
    assert (gim.name, gim.magsac, set(gim.weights)) == ("gim-lightglue", GIM_MAGSAC, {"gim-lightglue-100h"})
    assert LightGlueMatcher("other", None, None, None, "cpu", {}).magsac == DEFAULT_MAGSAC
    (blank,) = gim.describe([np.zeros((64, 96, 3), np.uint8)])
    assert gim.match([(blank, blank)])[0].shape == (0, 2)
