"""A damaged checkpoint is reported before any file is written, or does not cost the files of its intact parts."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from hoibench.datasets import registry
from reference_model.cache import LatentCache
from reference_model.loading.weights import Weights
from reference_model.preparation.job import check_parts
from reference_model.prepare import main

VAE = "vae/diffusion_pytorch_model.safetensors"


@pytest.fixture
def damaged_wan(wan_folder, tmp_path):
    """A copy of the parts that are read, to damage."""
    for name in ("vae", "text_encoder", "tokenizer"):
        shutil.copytree(wan_folder / name, tmp_path / "wan" / name)
    return tmp_path / "wan"


@pytest.fixture
def run(arguments, wan_folder, tmp_path):
    """The command on a checkpoint, into the same folder each time."""

    def command(wan, *more) -> int:
        options = [str(wan) if word == str(wan_folder) else word for word in arguments]
        return main([*options, "--out", str(tmp_path / "out"), *more])

    return command


def truncated(wan):
    (wan / VAE).write_bytes((wan / VAE).read_bytes()[:-8])


def change(path, edit):
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path)


def without_a_tensor(wan):
    change(wan / VAE, lambda tensors: tensors.pop("quant_conv.bias"))


def with_another_tensor(wan):
    change(wan / VAE, lambda tensors: tensors.update(more=torch.zeros(2)))


def with_another_shape(wan):
    change(wan / VAE, lambda tensors: tensors.update({"quant_conv.bias": torch.zeros(31)}))


def without_a_shard(wan):
    shard = (wan / VAE).with_name("a.safetensors")
    index = {"weight_map": dict.fromkeys(load_file(wan / VAE), shard.name)}
    (wan / VAE).unlink()
    (wan / f"{VAE}.index.json").write_text(json.dumps(index))


def configured(part, **changes):
    def fault(wan):
        path = wan / part / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return fault


def without_json(wan):
    (wan / "vae" / "config.json").write_text("{")


def without_a_word(wan):
    change(wan / "text_encoder" / "model.safetensors", lambda tensors: tensors.pop("shared.weight"))


def without_settings(wan):
    (wan / "tokenizer" / "tokenizer_config.json").unlink()


FAULTS = {
    "truncated": (truncated, r"diffusion_pytorch_model.safetensors \(\d+ bytes\) is truncated"),
    "missing": (without_a_tensor, r"missing: quant_conv.bias \(32,\)"),
    "extra": (with_another_tensor, r"extra: more \(2,\)"),
    "differing": (with_another_shape, r"differing: quant_conv.bias is \(31,\), expected \(32,\)"),
    "shard": (without_a_shard, "vae lacks 1 of 1 shards .* a.safetensors"),
    "json": (without_json, "vae/config.json is not JSON"),
    "null": (configured("vae", latents_std=None), "vae/config.json: latents_std is None"),
    "word": (configured("vae", dim_mult="x"), "vae/config.json: dim_mult is 'x'"),
    "stride": (configured("vae", scale_factor_spatial=8), r"\(16, 4, 8, 8\), the model expects \(16, 4, 16, 16\)"),
    "d_model": (configured("text_encoder", d_model="a"), "text_encoder/config.json .*'d_model'"),
    "shared": (without_a_word, "missing: shared.weight"),
    "settings": (without_settings, "tokenizer_config.json: no such file"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS)
def test_every_fault_is_found_without_reading_weights(damaged_wan, config, fault, reason, monkeypatch):
    fault(damaged_wan)
    monkeypatch.setattr(Weights, "read", lambda *_: pytest.fail("weights were read"))
    with pytest.raises((ValueError, FileNotFoundError), match=rf"(?s){reason}.*(hf download|give the model's own)"):
        check_parts(damaged_wan, config)


@pytest.mark.parametrize("name", ["truncated", "stride", "null", "d_model"])
def test_a_damaged_checkpoint_is_reported_before_the_folder_is_created(damaged_wan, run, tmp_path, capsys, name):
    FAULTS[name][0](damaged_wan)
    assert run(damaged_wan) == 2
    error = capsys.readouterr().err
    assert str(damaged_wan) in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_another_model_is_refused(wan_folder, config):
    check_parts(wan_folder, config)
    wide = replace(config, mjd=replace(config.mjd, in_channels=48))
    with pytest.raises(
        ValueError, match=r"vae has \(channels, \*stride\) \(16, 4, 16, 16\), the model expects \(48, 4, 16, 16\)"
    ):
        check_parts(wan_folder, wide)
    wordy = replace(config, mjd=replace(config.mjd, text_dim=4096))
    with pytest.raises(ValueError, match="text_encoder gives 32 channels, the model expects 4096"):
        check_parts(wan_folder, wordy)


def test_nan_in_the_autoencoder_does_not_cost_the_prompts(
    damaged_wan, run, wan_folder, prepared_cache, contents, tmp_path, capsys
):
    change(damaged_wan / VAE, lambda tensors: tensors["quant_conv.bias"].fill_(float("nan")))
    assert run(damaged_wan) == 2
    assert "quant_conv.bias contains NaN" in capsys.readouterr().err
    texts = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "text").glob("*.safetensors")}
    assert len(texts) == 2
    assert run(wan_folder, "--json") == 0
    assert json.loads(capsys.readouterr().out)["prompts"] == {"created": 0, "skipped": 2}
    assert {path: path.stat().st_mtime_ns for path in texts} == texts
    assert contents(tmp_path / "out") == contents(prepared_cache)
    assert run(damaged_wan) == 2  # now there are views
    assert "was made with other settings (vae was " in " ".join(capsys.readouterr().err.split())


def test_after_nan_in_the_text_encoder_the_settings_may_change(damaged_wan, run, wan_folder, tmp_path, capsys):
    path = damaged_wan / "text_encoder" / "model.safetensors"
    change(path, lambda tensors: tensors["shared.weight"].fill_(float("nan")))
    assert run(damaged_wan) == 2
    assert "shared.weight contains NaN" in capsys.readouterr().err
    assert run(wan_folder) == 0
    assert len(LatentCache(tmp_path / "out").clips) == 1


@pytest.fixture
def no_data_set(monkeypatch):
    monkeypatch.setattr(registry, "open_dataset", lambda *_: pytest.fail("the data set was opened"))


def test_a_missing_device_is_reported_first(run, wan_folder, no_data_set, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(wan_folder, "--device", "cuda") == 2
    assert "--device cuda: torch finds no CUDA device; use --device cpu" in capsys.readouterr().err


def test_a_missing_checkpoint_is_reported_before_torch_is_imported(arguments, wan_folder, tmp_path):
    script = "import sys; from reference_model.prepare import main; print(main(sys.argv[1:]), 'torch' in sys.modules)"
    options = [str(tmp_path / "wan") if word == str(wan_folder) else word for word in arguments]
    done = subprocess.run([sys.executable, "-c", script, *options], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert f"error: {tmp_path / 'wan'}: no such folder." in done.stderr
