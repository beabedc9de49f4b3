"""DINO: our pass through timm's modules against timm's forward, VBench's preprocessing, DINO's position embeddings, the checkpoint's names."""

import cv2
import numpy as np
import pytest
import timm
import torch
from checkpoint_files import DAMAGES, write_zeros

from hoibench.metrics.backbones.dino import MEAN, STD, Dino, interpolate_positions, load_network


def random_network(std, **changes):
    """timm's model of DINO's weights, with random weights."""
    torch.manual_seed(0)
    network = timm.create_model("vit_base_patch16_224.dino", pretrained=False, **changes).eval().requires_grad_(False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return network


@pytest.fixture(scope="module")
def small():
    return random_network(0.3, embed_dim=32, depth=2, num_heads=2)


def plain_features(network, pixels):
    """timm's own features of (H, W, 3) pixels, 0 to 255, of length 1."""
    normal = (pixels / 255.0 - np.array(MEAN)) / np.array(STD)
    with torch.inference_mode():
        features = network(torch.from_numpy(normal.astype(np.float32)).permute(2, 0, 1)[None])[0].numpy()
    return features / np.linalg.norm(features)


def test_features_equal_timms_forward(small, texture):
    images = [texture(224, 224, seed) for seed in range(3)]
    found = Dino(small, "cpu", {}).encode(images)
    np.testing.assert_allclose(found, [plain_features(small, image) for image in images], atol=1e-5)
    assert found.dtype == np.float32 and abs(found[0] - found[1]).max() > 0.01


@pytest.mark.slow
def test_features_of_the_real_size_equal_timms_forward(texture):
    network = random_network(0.05)
    image = texture(224, 224)
    np.testing.assert_allclose(Dino(network, "cpu", {}).encode([image])[0], plain_features(network, image), atol=1e-5)


@pytest.mark.parametrize(
    ("size", "resized"), [((480, 704), (224, 328)), ((384, 256), (336, 224)), ((224, 230), (224, 230))]
)
def test_the_short_side_becomes_224_px_without_antialiasing(small, texture, size, resized):
    given = []
    hook = small.patch_embed.proj.register_forward_hook(lambda _, inputs, __: given.append(inputs[0][0]))
    image = texture(*size, blob=0.7)
    Dino(small, "cpu", {}).encode([image])
    hook.remove()
    assert given[0].shape == (3, *resized)
    plain = cv2.resize(image.astype(np.float32), resized[::-1], interpolation=cv2.INTER_LINEAR)  # never antialiases
    found = given[0].permute(1, 2, 0).numpy() * np.array(STD) + np.array(MEAN)
    assert np.abs(found * 255.0 - plain).max() < 1e-2


def cubic_weights(size, scale, number):
    """The (number, size) matrix of bicubic interpolation with a = -0.75 at (i + .5) / scale - .5, the border repeated."""
    weights = np.zeros((number, size))
    for i in range(number):
        x = (i + 0.5) / scale - 0.5
        for tap in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
            t, a = abs(x - tap), -0.75
            w = (a + 2) * t**3 - (a + 3) * t**2 + 1 if t <= 1 else a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
            weights[i, min(max(tap, 0), size - 1)] += w
    return weights


@pytest.mark.parametrize(("size", "patches"), [((224, 328), (14, 20)), ((336, 224), (21, 14)), ((224, 230), (14, 14))])
def test_position_embeddings_are_interpolated_by_dinos_rule(size, patches):
    embedding = np.random.default_rng(0).normal(size=(1, 197, 3))
    grid = embedding[0, 1:].reshape(14, 14, 3)
    rows, columns = (cubic_weights(14, (n + 0.1) / 14, n) for n in patches)
    wanted = np.einsum("ri,ijd,cj->rcd", rows, grid, columns).reshape(-1, 3)
    found = interpolate_positions(torch.from_numpy(embedding), *size)[0].numpy()
    np.testing.assert_allclose(found, np.concatenate([embedding[0, :1], wanted]), atol=1e-9)


def test_position_embeddings_of_training_are_kept():
    embedding = torch.arange(197.0)[None, :, None]
    assert interpolate_positions(embedding, 224, 224) is embedding


def test_the_part_of_a_last_patch_falls_away(small, texture):
    image = texture(224, 335)  # 20 patches and 15 columns
    changed = image.copy()
    changed[:, 320:] = 0
    encoder = Dino(small, "cpu", {})
    assert np.array_equal(encoder.encode([image]), encoder.encode([changed]))


BLOCK = {
    "norm1.weight": (768,), "norm1.bias": (768,), "attn.qkv.weight": (2304, 768), "attn.qkv.bias": (2304,),
    "attn.proj.weight": (768, 768), "attn.proj.bias": (768,), "norm2.weight": (768,), "norm2.bias": (768,),
    "mlp.fc1.weight": (3072, 768), "mlp.fc1.bias": (3072,), "mlp.fc2.weight": (768, 3072), "mlp.fc2.bias": (768,),
}  # fmt: skip
SHAPES = {
    "cls_token": (1, 1, 768), "pos_embed": (1, 197, 768),
    "patch_embed.proj.weight": (768, 3, 16, 16), "patch_embed.proj.bias": (768,),
    **{f"blocks.{n}.{name}": shape for n in range(12) for name, shape in BLOCK.items()},
    "norm.weight": (768,), "norm.bias": (768,),
}  # fmt: skip
"""The tensors of facebookresearch/dino:vision_transformer.py, vit_base without a head."""


def test_a_file_with_the_real_names_and_shapes_loads(tmp_path):
    network = load_network(write_zeros(tmp_path / "dino.pth", SHAPES))
    assert len(SHAPES) == 150 and {p.device.type for p in network.parameters()} == {"cpu"}
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert network.norm.eps == 1e-6


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_another_network_is_refused_with_the_name_of_the_tensor(tmp_path, damage):
    name = "blocks.11.attn.qkv.weight"
    path = write_zeros(tmp_path / "dino.pth", SHAPES, damage, name)
    with pytest.raises(ValueError, match=name):
        load_network(path)
