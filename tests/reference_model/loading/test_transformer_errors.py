"""Checkpoints of another shape, layout or class."""

import json
import shutil

import pytest
import torch
from changed_checkpoints import NANO, WEIGHTS, assert_inherits, reconfigure, rewrite
from tiny_wan import write_transformer

from reference_model.config import preset
from reference_model.loading.autoencoder import load_vae
from reference_model.loading.transformer import load_mjd


def test_all_differing_fields_are_listed(tmp_path):
    write_transformer(tmp_path, num_layers=3, ffn_dim=100, qk_norm=None, cross_attn_norm=False, out_channels=8)
    with pytest.raises(ValueError) as error:
        load_mjd(tmp_path, NANO)
    for line in (
        "num_layers is 3, expected 2", "ffn_dim is 100, expected 192", "qk_norm is None, expected 'rms_norm_across_heads'",
        "cross_attn_norm is False, expected True", "out_channels is 8, expected 16",
    ):  # fmt: skip
        assert line in str(error.value)
    assert str(tmp_path / "transformer" / "config.json") in str(error.value)


def test_wan22_5b_matches_the_released_configuration(tmp_path):
    """The check of the configuration passes; the weights are missing."""
    released = {
        "_class_name": "WanTransformer3DModel", "added_kv_proj_dim": None, "attention_head_dim": 128, "cross_attn_norm": True, "eps": 1e-06,
        "ffn_dim": 14336, "freq_dim": 256, "image_dim": None, "in_channels": 48, "num_attention_heads": 24, "num_layers": 30,
        "out_channels": 48, "patch_size": [1, 2, 2], "pos_embed_seq_len": None, "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 1024, "text_dim": 4096,
    }  # fmt: skip
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(released))
    with pytest.raises(FileNotFoundError, match="has neither diffusion_pytorch_model.safetensors nor"):
        load_mjd(tmp_path, preset("wan22_5b"))
    with pytest.raises(ValueError, match="ffn_dim is 14336, expected 192"):
        load_mjd(tmp_path, NANO)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_attention_heads", 5), ("attention_head_dim", 26), ("in_channels", 8), ("text_dim", 33), ("freq_dim", 30),
        ("eps", 1e-5), ("patch_size", [1, 1, 1]), ("image_dim", 1280), ("added_kv_proj_dim", 96), ("pos_embed_seq_len", 514),
    ],
)  # fmt: skip
def test_each_field_is_compared(copy, name, value):
    reconfigure(copy / "transformer" / "config.json", **{name: value})
    with pytest.raises(ValueError, match=f"{name} is "):
        load_mjd(copy, NANO)


def test_missing_fields_have_diffusers_defaults(copy, wan):
    path = copy / "transformer" / "config.json"
    stored = json.loads(path.read_text())
    for name in ("image_dim", "cross_attn_norm", "qk_norm"):
        del stored[name]
    path.write_text(json.dumps(stored))
    assert_inherits(load_mjd(copy, NANO), wan)
    del stored["num_layers"]
    path.write_text(json.dumps(stored))
    with pytest.raises(ValueError, match="num_layers is 40, expected 2"):
        load_mjd(copy, NANO)


def test_a_dtype_without_fractions_is_refused(copy):
    with pytest.raises(ValueError, match="dtype is torch.int8: expected a floating-point dtype"):
        load_mjd(copy, NANO, dtype=torch.int8)


def test_all_differing_weights_are_listed(copy):
    def change(tensors):
        del tensors["proj_out.bias"], tensors["blocks.1.ffn.net.2.weight"]
        tensors["blocks.0.lora.weight"] = torch.zeros(2, 3)
        tensors["scale_shift_table"] = torch.zeros(1, 2, 95)
        return tensors

    rewrite(copy / "transformer" / WEIGHTS, change)
    with pytest.raises(ValueError) as error:
        load_mjd(copy, NANO)
    message = str(error.value)
    assert "(4 problems)" in message
    for line in (
        "missing: proj_out.bias (64,)", "missing: blocks.1.ffn.net.2.weight (96, 192)", "extra: blocks.0.lora.weight (2, 3)",
        "differing: scale_shift_table is (1, 2, 95), expected (1, 2, 96)", "hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers",
    ):  # fmt: skip
        assert line in message


def test_new_parameters_in_wans_folder_are_rejected(copy):
    rewrite(copy / "transformer" / WEIGHTS, lambda tensors: tensors | {"scale_head.bias": torch.zeros(1)})
    with pytest.raises(ValueError, match="extra: scale_head.bias"):
        load_mjd(copy, NANO)


def test_names_of_the_original_layout_are_recognized(copy):
    def rename(tensors):
        names = {".attn1.to_": ".self_attn.", ".attn2.to_": ".cross_attn."}
        for new, old in names.items():
            tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
        return tensors

    rewrite(copy / "transformer" / WEIGHTS, rename)
    with pytest.raises(
        ValueError, match=r"in the layout of Wan's own code.*convert_wan_to_diffusers.py --model_type Wan2.2-TI2V-5B"
    ):
        load_mjd(copy, NANO)


def test_folder_of_the_original_layout_is_recognized(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "WanModel", "dim": 3072}))
    with pytest.raises(ValueError, match="is in the layout of Wan's own code.*Wan-AI/Wan2.2-TI2V-5B-Diffusers"):
        load_mjd(tmp_path, NANO)


def test_another_class_of_transformer(copy):
    reconfigure(copy / "transformer" / "config.json", _class_name="WanVACETransformer3DModel")
    with pytest.raises(
        ValueError, match="_class_name is 'WanVACETransformer3DModel', expected 'WanTransformer3DModel'"
    ):
        load_mjd(copy, NANO)


@pytest.mark.parametrize("name", ["transformer", "vae"])
def test_a_missing_folder_of_a_model_is_an_error(copy, name):
    shutil.rmtree(copy / name)
    load = {"transformer": lambda: load_mjd(copy, NANO), "vae": lambda: load_vae(copy)}[name]
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: no such folder.*hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers"
    ):
        load()
