"""CLIP: our encoder against a loop over open_clip's API, its activations, its transform, and the names in its checkpoint."""

import json
import math

import numpy as np
import open_clip
import pytest
import torch
from checkpoint_files import DAMAGES, write_zeros
from PIL import Image

from hoibench.metrics.backbones.clip_encoder import MODELS, ClipEncoder, build_image_encoder, load_network
from hoibench.weights.loading import load_tensors

MODEL = "ViT-B-32-quickgelu"
BLOCK = {
    "ln_1.weight": (768,), "ln_1.bias": (768,), "attn.in_proj_weight": (2304, 768), "attn.in_proj_bias": (2304,),
    "attn.out_proj.weight": (768, 768), "attn.out_proj.bias": (768,), "ln_2.weight": (768,), "ln_2.bias": (768,),
    "mlp.c_fc.weight": (3072, 768), "mlp.c_fc.bias": (3072,), "mlp.c_proj.weight": (768, 3072), "mlp.c_proj.bias": (768,),
}  # fmt: skip
SHAPES = {
    "positional_embedding": (77, 512), "text_projection": (512, 512), "logit_scale": (),
    "visual.class_embedding": (768,), "visual.positional_embedding": (50, 768), "visual.proj": (768, 512),
    "visual.conv1.weight": (768, 3, 32, 32),
    **{f"visual.ln_{name}": (768,) for name in ("pre.weight", "pre.bias", "post.weight", "post.bias")},
    **{f"visual.transformer.resblocks.{n}.{name}": shape for n in range(12) for name, shape in BLOCK.items()},
}  # fmt: skip
"""The tensors of OpenAI's ViT-B/32 (openai/CLIP:clip/model.py): those of the image encoder and some of the others."""


@pytest.mark.parametrize("name", MODELS)
def test_the_transform_and_the_activation_are_open_clips_for_the_weights(name):
    model, weights = MODELS[name]
    tag = {"vitb32-openai": "openai", "vith14-laion2b": "laion2b_s32b_b79k"}[name]
    facts = open_clip.get_pretrained_cfg(model, tag)
    network, transform = build_image_encoder(model)
    assert tag in weights.replace("-", "_") and facts.get("quick_gelu", False) == (name == "vitb32-openai")
    kinds = {type(block.mlp.gelu) for block in network.transformer.resblocks}
    assert kinds == ({open_clip.transformer.QuickGELU} if name == "vitb32-openai" else {torch.nn.GELU})
    with torch.device("meta"):
        *_, wanted = open_clip.create_model_and_transforms(model, load_weights=False, device="meta")
    assert repr(transform) == repr(wanted)
    assert (facts["mean"], facts["std"]) == (transform.transforms[-1].mean, transform.transforms[-1].std)


@pytest.mark.slow
def test_features_equal_a_loop_over_open_clips_api(texture, tmp_path):
    torch.manual_seed(0)
    model, _, transform = open_clip.create_model_and_transforms(MODEL, load_weights=False)
    images = [texture(96, 140, seed) for seed in range(2)]
    with torch.inference_mode():
        wanted = [
            model.eval().encode_image(transform(Image.fromarray(image))[None], normalize=True)[0].numpy()
            for image in images
        ]
    network, own_transform = build_image_encoder(MODEL)
    load_tensors(network, model.visual.state_dict(), tmp_path)
    found = ClipEncoder(network.eval(), own_transform, "cpu", "vitb32-openai", {}).encode(images)
    assert found.shape == (2, 512)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_file_with_the_real_names_and_shapes_loads(tmp_path):
    network, _ = load_network(MODEL, write_zeros(tmp_path / "clip.pt", SHAPES))
    assert len(network.state_dict()) == 152 and {p.device.type for p in network.parameters()} == {"cpu"}
    assert not network.training and not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_file_of_another_network_is_refused_with_the_name_of_the_tensor(tmp_path, damage):
    name = "transformer.resblocks.3.mlp.c_fc.bias"
    path = write_zeros(tmp_path / "clip.pt", SHAPES, damage, f"visual.{name}")
    with pytest.raises(ValueError, match=name):
        load_network(MODEL, path)


@pytest.mark.slow
def test_a_safetensors_file_of_the_real_size_loads(tmp_path):
    header, end = {}, 0
    for name, shape in SHAPES.items():
        start, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    path = tmp_path / "clip.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)  # a sparse file of zeros
    network, _ = load_network(MODEL, path)
    assert not any(p.any() for p in network.parameters())
