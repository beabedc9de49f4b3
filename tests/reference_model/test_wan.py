import dataclasses
import json
import shutil

import pytest
import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import load_file, save_file
from tiny_wan import write_transformer

from reference_model.config import preset
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.wan import load_mjd, load_vae

NANO = preset("nano")
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def wan(wan_folder):
    return WanTransformer3DModel.from_pretrained(wan_folder / "transformer")


@pytest.fixture
def copy(wan_folder, tmp_path):
    """A copy of transformer/ and vae/, to break."""
    for name in ("transformer", "vae"):
        shutil.copytree(wan_folder / name, tmp_path / name)
    return tmp_path


def with_mjd(**changes):
    return dataclasses.replace(NANO, mjd=dataclasses.replace(NANO.mjd, **changes))


def rewrite(path, change):
    tensors = load_file(path)
    save_file(change(tensors), path)


def reconfigure(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def assert_inherits(model, wan):
    ours, wans = dict(model.named_parameters()), dict(wan.named_parameters())
    assert set(ours) - set(wans) == model.new_parameters()
    assert set(wans) <= set(ours)
    for name, parameter in wans.items():
        assert torch.equal(ours[name], parameter), name


# What is loaded.


def test_every_parameter_of_wan_is_wans(wan_folder, wan):
    model = load_mjd(wan_folder, NANO)
    assert_inherits(model, wan)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert all(each.requires_grad for each in model.parameters())
    assert not model.training


def test_shards_are_one_checkpoint(tmp_path, wan):
    write_transformer(tmp_path, max_shard_size="300KB")
    assert len(list((tmp_path / "transformer").glob("*.safetensors"))) > 2
    assert_inherits(load_mjd(tmp_path, NANO), wan)


def test_the_transformer_folder_alone_will_do(wan_folder, wan):
    assert_inherits(load_mjd(wan_folder / "transformer", NANO), wan)


def test_new_parameters_are_inherited_and_drawn(wan_folder):
    torch.manual_seed(3)
    model = load_mjd(wan_folder, NANO)
    for block in model.blocks:
        assert torch.equal(block.attn_view.to_q.weight, block.attn1.to_q.weight)
        assert not block.attn_view.to_out[0].weight.any()
        assert torch.equal(block.scale_shift_table_motion, block.scale_shift_table)
    torch.manual_seed(3)
    again = dict(load_mjd(wan_folder, NANO).named_parameters())
    assert all(torch.equal(parameter, again[name]) for name, parameter in model.named_parameters())


@pytest.fixture
def nan_for_empty():
    """Memory that nobody has written holds NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_no_new_parameter_keeps_the_memory_it_found(wan_folder, nan_for_empty):
    assert torch.empty(1).isnan()
    model = load_mjd(wan_folder, with_mjd(scale_tokens_see_K=True))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_bfloat16_keeps_what_needs_float32(wan_folder, wan):
    model = load_mjd(wan_folder, NANO, dtype=torch.bfloat16)
    whole = frozenset(MultiViewJointDiffusion._keep_in_fp32_modules)
    dtypes = {
        name: torch.float32 if whole & set(name.split(".")) else torch.bfloat16
        for name in dict(model.named_parameters())
    }
    assert {name: each.dtype for name, each in model.named_parameters()} == dtypes
    assert dtypes["blocks.0.scale_shift_table"] == torch.float32
    assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    for name, parameter in wan.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter.to(dtypes[name])), name


def test_the_model_survives_its_file(copy):
    """Nothing is mapped from disk: a folder may be written anew while its model lives."""
    model = load_mjd(copy, NANO)
    before = model.patch_embedding.weight.clone()
    path = copy / "transformer" / WEIGHTS
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))
    assert torch.equal(model.patch_embedding.weight, before)


# A saved MJD.


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(5)
    model = MultiViewJointDiffusion(**dataclasses.asdict(NANO.mjd))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "mjd", max_shard_size="500KB")
    return model, tmp_path / "mjd"


def test_a_saved_mjd_comes_back(saved):
    model, folder = saved
    loaded = dict(load_mjd(folder, NANO).named_parameters())
    assert loaded.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(parameter, loaded[name]) for name, parameter in model.named_parameters())


def test_another_number_of_views_than_trained(saved):
    with pytest.raises(ValueError, match="trained for V=3, asked for V=2\nGive the configuration that it has"):
        load_mjd(saved[1], with_mjd(views=2))


def test_a_saved_mjd_of_other_choices(saved):
    with pytest.raises(ValueError) as error:
        load_mjd(saved[1], with_mjd(view_rope=False, register_tokens=4))
    assert "register_tokens is 6, expected 4" in str(error.value)
    assert "view_rope is True, expected False" in str(error.value)


def test_a_saved_mjd_without_a_new_parameter(saved, tmp_path):
    model, _ = saved
    model.save_pretrained(tmp_path / "one")
    rewrite(tmp_path / "one" / WEIGHTS, lambda tensors: {k: v for k, v in tensors.items() if k != "scale_head.bias"})
    with pytest.raises(ValueError, match=r"missing: scale_head.bias \(1,\)"):
        load_mjd(tmp_path / "one", NANO)


# Checkpoints of another shape.


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


def test_the_released_models_configuration_is_the_papers(tmp_path):
    """Of the fields alone: what is missed are the weights."""
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


def test_fields_that_a_file_leaves_out_have_diffusers_defaults(copy, wan):
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


def test_wans_own_folder_must_lack_new_parameters(copy):
    rewrite(copy / "transformer" / WEIGHTS, lambda tensors: tensors | {"scale_head.bias": torch.zeros(1)})
    with pytest.raises(ValueError, match="extra: scale_head.bias"):
        load_mjd(copy, NANO)


def test_original_names_are_recognised(copy):
    def rename(tensors):
        names = {".attn1.to_": ".self_attn.", ".attn2.to_": ".cross_attn."}
        for new, old in names.items():
            tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
        return tensors

    rewrite(copy / "transformer" / WEIGHTS, rename)
    with pytest.raises(
        ValueError, match=r"the layout of Wan's own code.*convert_wan_to_diffusers.py --model_type Wan2.2-TI2V-5B"
    ):
        load_mjd(copy, NANO)


def test_the_original_folder_is_recognised(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "WanModel", "dim": 3072}))
    with pytest.raises(ValueError, match="is the layout of Wan's own code.*Wan-AI/Wan2.2-TI2V-5B-Diffusers"):
        load_mjd(tmp_path, NANO)


def test_another_class(copy):
    reconfigure(copy / "transformer" / "config.json", _class_name="WanVACETransformer3DModel")
    with pytest.raises(
        ValueError, match="_class_name is 'WanVACETransformer3DModel', expected 'WanTransformer3DModel'"
    ):
        load_mjd(copy, NANO)


@pytest.mark.parametrize("name", ["transformer", "vae"])
def test_missing_subfolder(copy, name):
    shutil.rmtree(copy / name)
    load = {"transformer": lambda: load_mjd(copy, NANO), "vae": lambda: load_vae(copy)}[name]
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: no such folder.*hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers"
    ):
        load()


@pytest.mark.parametrize("config", ["nano", NANO.mjd, None])
def test_a_configuration_that_is_none(wan_folder, config):
    with pytest.raises(TypeError, match=f"config is {type(config).__name__} .*expected a SyncMV4DConfig, such as"):
        load_mjd(wan_folder, config)


@pytest.mark.parametrize(
    ("dtype", "kind", "said"),
    [
        ("bfloat16", TypeError, "dtype is str 'bfloat16': expected a torch.dtype, such as torch.bfloat16"),
        (torch.int8, ValueError, "dtype is torch.int8: expected one of torch.float32, torch.bfloat16"),
        (torch.complex64, ValueError, "dtype is torch.complex64"),
    ],
)
def test_a_dtype_that_no_weights_have(wan_folder, dtype, kind, said):
    with pytest.raises(kind, match=said):
        load_mjd(wan_folder, NANO, dtype=dtype)


def test_a_part_in_place_of_the_checkpoint(copy, monkeypatch):
    with pytest.raises(FileNotFoundError, match=f"The checkpoint is one level up: give {copy}$"):
        load_mjd(copy / "vae", NANO)
    monkeypatch.chdir(copy / "transformer")
    with pytest.raises(FileNotFoundError, match=f"The checkpoint is one level up: give {copy}$"):
        load_vae(".")


def test_a_checkpoint_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"^{tmp_path / 'wan'}: no such folder. Expected a copy of"):
        load_vae(tmp_path / "wan")


# The autoencoder.


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
        ("latents_std", None, "latents_std is None, expected a list of float"),
        ("dim_mult", "x", "dim_mult is 'x', expected a list of int"),
        ("dim_mult", [1, "x"], r"dim_mult is \[1, 'x'\], expected a list of int"),
        ("base_dim", 8.5, "base_dim is 8.5, expected int"),
        ("is_residual", 1, "is_residual is 1, expected bool"),
        ("z_dim", True, "z_dim is True, expected int"),
        ("decoder_base_dim", "x", r"no model can be built of .*config.json \(TypeError"),
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
