"""MJD loaded from Wan's transformer and from a saved MJD."""

import pytest
import torch
from changed_checkpoints import NANO, WEIGHTS, assert_inherits, nano_with, rewrite
from tiny_wan import write_transformer

from reference_model.loading.transformer import load_mjd
from reference_model.mjd.model import MultiViewJointDiffusion


def test_parameters_of_wan_equal_the_file(wan_folder, wan):
    model = load_mjd(wan_folder, NANO)
    assert_inherits(model, wan)
    assert {each.dtype for each in model.parameters()} == {torch.float32}
    assert all(each.requires_grad for each in model.parameters())
    assert not model.training


def test_sharded_weights(tmp_path, wan):
    write_transformer(tmp_path, max_shard_size="300KB")
    assert len(list((tmp_path / "transformer").glob("*.safetensors"))) > 2
    assert_inherits(load_mjd(tmp_path, NANO), wan)


def test_the_transformer_folder_is_enough(wan_folder, wan):
    assert_inherits(load_mjd(wan_folder / "transformer", NANO), wan)


def test_new_parameters_are_derived_or_random(wan_folder):
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
    """Fills uninitialized memory with NaN."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_every_new_parameter_is_initialized(wan_folder, nan_for_empty):
    assert torch.empty(1).isnan()
    model = load_mjd(wan_folder, nano_with(scale_tokens_see_K=True))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_bfloat16_except_for_float32_modules(wan_folder, wan):
    model = load_mjd(wan_folder, NANO, dtype=torch.bfloat16)
    in_fp32 = frozenset(MultiViewJointDiffusion._keep_in_fp32_modules)
    dtypes = {
        name: torch.float32 if in_fp32 & set(name.split(".")) else torch.bfloat16
        for name in dict(model.named_parameters())
    }
    assert {name: each.dtype for name, each in model.named_parameters()} == dtypes
    assert dtypes["blocks.0.scale_shift_table"] == torch.float32
    assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    for name, parameter in wan.named_parameters():
        assert torch.equal(model.get_parameter(name), parameter.to(dtypes[name])), name


def test_the_model_does_not_map_its_file(copy):
    model = load_mjd(copy, NANO)
    before = model.patch_embedding.weight.clone()
    path = copy / "transformer" / WEIGHTS
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.write(bytes(size))
    assert torch.equal(model.patch_embedding.weight, before)


# A saved MJD


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(5)
    model = MultiViewJointDiffusion(NANO.mjd)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    model.save_pretrained(tmp_path / "mjd", max_shard_size="500KB")
    return model, tmp_path / "mjd"


def test_saved_mjd_round_trip(saved):
    model, folder = saved
    loaded = dict(load_mjd(folder, NANO).named_parameters())
    assert loaded.keys() == dict(model.named_parameters()).keys()
    assert all(torch.equal(parameter, loaded[name]) for name, parameter in model.named_parameters())


def test_another_number_of_views_than_trained(saved):
    with pytest.raises(ValueError, match="views is 3, expected 2\nGive the configuration that it was saved with"):
        load_mjd(saved[1], nano_with(views=2))


def test_saved_mjd_with_another_configuration(saved):
    with pytest.raises(ValueError) as error:
        load_mjd(saved[1], nano_with(view_rope=False, register_tokens=4))
    assert "register_tokens is 6, expected 4" in str(error.value)
    assert "view_rope is True, expected False" in str(error.value)


def test_saved_mjd_without_a_new_parameter(saved, tmp_path):
    model, _ = saved
    model.save_pretrained(tmp_path / "one")
    rewrite(tmp_path / "one" / WEIGHTS, lambda tensors: {k: v for k, v in tensors.items() if k != "scale_head.bias"})
    with pytest.raises(ValueError, match=r"missing: scale_head.bias \(1,\)"):
        load_mjd(tmp_path / "one", NANO)
