"""The autoencoder of a checkpoint, and ones that cannot be used."""

import pytest
import torch
from changed_checkpoints import WEIGHTS, reconfigure, rewrite
from diffusers import AutoencoderKLWan

from reference_model.wan import load_vae


def test_autoencoder_is_that_of_the_file(wan_folder):
    vae = load_vae(wan_folder)
    expected = AutoencoderKLWan.from_pretrained(wan_folder / "vae")
    parameters = dict(expected.named_parameters())
    assert dict(vae.named_parameters()).keys() == parameters.keys()
    assert all(torch.equal(each, parameters[name]) for name, each in vae.named_parameters())
    assert {k: v for k, v in vae.config.items() if k[0] != "_"} == {
        k: v for k, v in expected.config.items() if k[0] != "_"
    }
    assert not vae.training
    assert not any(each.requires_grad for each in vae.parameters())


def test_autoencoder_is_float32_whatever_is_stored(copy):
    rewrite(copy / "vae" / WEIGHTS, lambda tensors: {name: tensor.bfloat16() for name, tensor in tensors.items()})
    assert {each.dtype for each in load_vae(copy).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"latents_mean": [0.0] * 15}, "latents_mean has 15 numbers, expected 16;"),
        ({"latents_std": [0.0] + [1.0] * 15}, "latents_std[0] is 0.0;"),
        ({"latents_std": [1.0, -2.0, *[0.0] * 14]}, "latents_std[1] is -2.0 and 14 more;"),
        ({"latents_std": [1.0] * 15 + [float("nan")]}, "latents_std[15] is nan;"),
        ({"latents_mean": [float("inf")] + [1.0] * 15}, "latents_mean[0] is inf;"),
    ],
)
def test_autoencoder_without_moments(copy, changes, problem):
    reconfigure(copy / "vae" / "config.json", **changes)
    with pytest.raises(ValueError) as error:
        load_vae(copy)
    assert f"{copy / 'vae' / 'config.json'}: {problem}" in str(error.value)
    assert "hf download" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("latents_std", None, "latents_std is None: input should be a valid array"),
        ("dim_mult", "x", "dim_mult is 'x': input should be a valid array"),
        ("dim_mult", [1, "x"], r"dim_mult\[1\] is 'x': input should be a valid integer"),
        ("base_dim", 8.5, "base_dim is 8.5: input should be a valid integer"),
        ("is_residual", 1, "is_residual is 1: input should be a valid boolean"),
        ("z_dim", True, "z_dim is True: input should be a valid integer"),
        ("decoder_base_dim", "x", "decoder_base_dim is 'x': input should be a valid integer"),
        ("base_dim", -8, r"no model can be built of .*config.json \(RuntimeError"),
    ],
)
def test_autoencoder_with_a_field_of_another_type(copy, name, value, expected):
    reconfigure(copy / "vae" / "config.json", **{name: value})
    with pytest.raises(ValueError, match=f"{expected}.*hf download") as error:
        load_vae(copy)
    assert str(copy / "vae" / "config.json") in str(error.value)
    assert "\n" not in str(error.value)


def test_another_autoencoder(copy):
    reconfigure(copy / "vae" / "config.json", _class_name="AutoencoderKL")
    with pytest.raises(ValueError, match="_class_name is 'AutoencoderKL', expected 'AutoencoderKLWan'"):
        load_vae(copy)


def test_autoencoder_with_other_weights(copy):
    rewrite(copy / "vae" / WEIGHTS, lambda tensors: {k: v for k, v in tensors.items() if k != "quant_conv.bias"})
    with pytest.raises(ValueError, match=r"\(1 problem\):\n  missing: quant_conv.bias \(32,\)\n.*hf download"):
        load_vae(copy)
