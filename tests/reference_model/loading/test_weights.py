"""Missing and damaged files of a model's folder, shown on the transformer of the small checkpoint."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_wan import write_transformer

from reference_model.config import preset
from reference_model.loading.transformer import load_mjd

NANO = preset("nano")
STEM = "diffusion_pytorch_model"


@pytest.fixture
def single(wan_folder, tmp_path):
    shutil.copytree(wan_folder / "transformer", tmp_path / "transformer")
    return tmp_path / "transformer"


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharded")
    write_transformer(folder, max_shard_size="300KB")
    return folder / "transformer"


@pytest.fixture
def sharded(shards, tmp_path):
    shutil.copytree(shards, tmp_path / "transformer")
    return tmp_path / "transformer"


def shard_paths(folder):
    return sorted(folder.glob(f"{STEM}-*.safetensors"))


def edit_index(folder, change):
    path = folder / f"{STEM}.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))
    return path


def refused(folder, kind, *phrases):
    with pytest.raises(kind) as error:
        load_mjd(folder.parent, NANO)
    for phrase in phrases:
        assert phrase in str(error.value)
    assert "hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers" in str(error.value)


def test_no_weights(single):
    (single / f"{STEM}.safetensors").unlink()
    refused(single, FileNotFoundError, str(single), f"neither {STEM}.safetensors nor {STEM}.safetensors.index.json")


def test_no_config(single):
    (single / "config.json").unlink()
    refused(single, FileNotFoundError, str(single / "config.json"))


@pytest.mark.parametrize("text", ["{", "[1]", "\x00", "[" * 100_000])
def test_config_is_not_an_object(single, text):
    (single / "config.json").write_text(text)
    refused(single, ValueError, str(single / "config.json"), "JSON")


@pytest.mark.parametrize("left", [0, 4, 1000, -1])
def test_truncated_file(single, left):
    path = single / f"{STEM}.safetensors"
    path.write_bytes(path.read_bytes()[:left])
    refused(single, ValueError, str(path), f"({path.stat().st_size} bytes) is truncated")


def test_git_lfs_pointer_instead_of_the_file(single):
    path = single / f"{STEM}.safetensors"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refused(single, ValueError, str(path), "not a safetensors file")


def test_truncated_shard(sharded):
    path = shard_paths(sharded)[1]
    path.write_bytes(path.read_bytes()[:-8])
    refused(sharded, ValueError, str(path), "truncated")


def test_missing_shards_are_all_named(sharded):
    paths = shard_paths(sharded)
    for path in (paths[0], paths[-1]):
        path.unlink()
    refused(sharded, FileNotFoundError, f"lacks 2 of {len(paths)} shards", paths[0].name, paths[-1].name)


def test_a_listed_tensor_is_missing_from_its_shard(sharded):
    path = shard_paths(sharded)[0]
    tensors = load_file(path)
    name, _ = tensors.popitem()
    save_file(tensors, path)
    refused(sharded, ValueError, f"{name} is not in {path.name}, where the index lists it")


def test_a_tensor_is_missing_from_the_index(sharded):
    path = edit_index(sharded, lambda listed: listed.pop("proj_out.weight"))
    refused(sharded, ValueError, str(path), "proj_out.weight in ", "is not in the index")


def test_a_tensor_in_another_shard_than_listed(sharded):
    first, second = (path.name for path in shard_paths(sharded)[:2])
    moved = []

    def move(listed):
        moved.append(next(name for name, file in listed.items() if file == first))
        listed[moved[0]] = second

    edit_index(sharded, move)
    refused(sharded, ValueError, f"{moved[0]} is not in {second}", f"{moved[0]} in {first} is not in the index")


@pytest.mark.parametrize("listed", [None, [], {}, {"proj_out.weight": 3}])
def test_index_without_a_map(sharded, listed):
    path = sharded / f"{STEM}.safetensors.index.json"
    path.write_text(json.dumps({"weight_map": listed}))
    refused(sharded, ValueError, str(path), "no weight_map")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_nan_and_infinity_in_weights(single, value):
    path = single / f"{STEM}.safetensors"
    tensors = load_file(path)
    tensors["blocks.1.attn1.to_k.weight"][3, 5] = value
    save_file(tensors, path)
    refused(single, ValueError, str(path), "blocks.1.attn1.to_k.weight contains NaN, infinity")


def test_a_number_too_large_for_the_dtype(single):
    path = single / f"{STEM}.safetensors"
    tensors = load_file(path)
    tensors["proj_out.weight"][0, 0] = 1e6
    save_file(tensors, path)
    assert load_mjd(single.parent, NANO).proj_out.weight[0, 0] == 1e6
    with pytest.raises(ValueError, match=r"proj_out.weight contains .* a number too large for torch.float16"):
        load_mjd(single.parent, NANO, dtype=torch.float16)
