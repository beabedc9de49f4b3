import dataclasses
import errno
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from hoibench.store import sha256_json
from hoibench.store.records import parse_record
from hoibench.store.verified_folder import CorruptFolder
from reference_model.config import FlowConfig, preset
from reference_model.loading import model_folder
from reference_model.loading.folder import WAN_PARTS
from reference_model.loading.model_folder import METADATA_FILE, ModelMetadata, read_config_and_digest
from reference_model.loading.saved_model import load_model, save_model
from reference_model.model import SyncMV4D

NANO = preset("nano")
CONFIG = dataclasses.replace(NANO, frames=9, height=64, width=96, flow=FlowConfig(steps=2, shift=3.0))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = SyncMV4D(CONFIG)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))  # no parameter is zero or equal to another
    return model


@pytest.fixture(scope="module")
def saved(model, wan_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "model"
    save_model(folder, model, wan_folder)
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return Path(shutil.copytree(saved, tmp_path / "copy"))


def edit(folder, change):
    """Change the metadata of a model's folder and their checksum."""
    path = folder / METADATA_FILE
    record = json.loads(path.read_text())
    del record["metadata_sha256"]
    change(record)
    path.write_text(json.dumps(record | {"metadata_sha256": sha256_json(record)}))


def test_save_and_load_round_trip(saved, model, wan_folder):
    loaded = load_model(saved)
    assert loaded.config == CONFIG
    expected = model.state_dict()
    found = loaded.model.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not any(each.requires_grad for each in loaded.model.parameters()) and not loaded.model.training
    video = torch.rand(5, 64, 96, 3, generator=torch.Generator().manual_seed(1))
    assert loaded.autoencoders.video.decode(loaded.autoencoders.video.encode(video)).shape == video.shape
    assert loaded.text_encoder.embed(["brush"], CONFIG.text_tokens).shape == (1, 16, 32)
    assert {path.name for path in saved.iterdir()} == {METADATA_FILE, "mjd", "dpa", *WAN_PARTS}


def test_digest_depends_on_weights(saved, model, wan_folder, tmp_path):
    save_model(tmp_path / "again", model, wan_folder)
    other = SyncMV4D(CONFIG, model.mjd)
    save_model(tmp_path / "other", other, wan_folder)
    digests = [read_config_and_digest(folder)[1] for folder in (saved, tmp_path / "again", tmp_path / "other")]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("table", "name", "value"), [("flow", "steps", 3), ("flow", "text_guidance_scale", 1.0), ("cycle", "loop_every", 2)]
)
def test_digest_depends_on_settings(saved, copy, table, name, value):
    assert read_config_and_digest(copy)[1] == read_config_and_digest(saved)[1] == load_model(copy).digest
    edit(copy, lambda record: record["config"][table].update({name: value}))
    assert read_config_and_digest(copy)[1] != read_config_and_digest(saved)[1]


def test_half_precision_is_for_mjd_only(saved):
    loaded = load_model(saved, dtype=torch.bfloat16)
    assert loaded.model.mjd.blocks[0].ffn.net[2].weight.dtype == torch.bfloat16
    assert loaded.model.mjd.scale_shift_table.dtype == torch.float32
    for part in (loaded.model.dpa, loaded.autoencoders.video.vae):
        assert {each.dtype for each in part.parameters()} == {torch.float32}


def test_large_parts_are_not_copied(model, wan_folder, tmp_path):
    save_model(tmp_path / "model", model, wan_folder, max_copied_bytes=1000)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {METADATA_FILE, "mjd", "dpa"}
    assert load_model(tmp_path / "model", wan_folder).config == CONFIG
    with pytest.raises(
        FileNotFoundError, match="model has no vae: give a copy of Wan2.2.* by --weights.* or .* copy its folder again"
    ):
        load_model(tmp_path / "model")
    with pytest.raises(FileNotFoundError, match="neither .*model nor .*none has vae"):
        load_model(tmp_path / "model", tmp_path / "none")


def test_a_model_is_replaced_atomically(saved, model, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save_model(folder, model)
    first = read_config_and_digest(folder)
    other = SyncMV4D(CONFIG, model.mjd)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(type(model.dpa), "save_pretrained", full)
        with pytest.raises(OSError, match="No space"):
            save_model(folder, other)
    assert read_config_and_digest(folder) == first
    save_model(folder, other)
    assert read_config_and_digest(folder)[1] != first[1]
    assert [path.name for path in tmp_path.iterdir()] == ["model"], "no temporary folder remains"


def test_the_old_model_survives_an_interrupted_replacement(model, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    save_model(folder, model)
    first, rename = read_config_and_digest(folder), Path.rename

    def stopped(path, target):
        if path.name.startswith(".tmp-"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stopped)
    with pytest.raises(KeyboardInterrupt):
        save_model(folder, SyncMV4D(CONFIG, model.mjd))
    assert read_config_and_digest(folder) == first
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_other_folders_are_not_overwritten(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(FileExistsError, match="exists and is not a model's folder: give another"):
        save_model(tmp_path, model)
    assert (tmp_path / "thesis.tex").read_text() == "x"
    (tmp_path / "empty").mkdir()
    save_model(tmp_path / "empty", model)
    assert read_config_and_digest(tmp_path / "empty")[0] == CONFIG


def test_nan_is_not_saved(model, tmp_path):
    damaged = SyncMV4D(CONFIG, model.mjd)
    with torch.no_grad():
        damaged.dpa.head.bias[1] = torch.nan
    with pytest.raises(ValueError, match=r"dpa\.head\.bias contains NaN or infinity, so the model was not saved"):
        save_model(tmp_path / "model", damaged)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["mjd", "dpa"])
def test_nan_is_not_loaded(copy, part):
    path = copy / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).flatten()[0] = torch.nan
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(ValueError, match=f"{part}/diffusion_pytorch_model.safetensors: .* contains NaN"):
        load_model(copy)


def test_the_folder_of_the_training_is_given(saved):
    with pytest.raises(FileNotFoundError, match=rf"mjd and dpa: give {saved}$"):
        load_model(saved.parent)


def test_truncated_and_missing_files(copy, tmp_path):
    path = copy / "dpa" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"model.safetensors has \d+ bytes, expected \d+: copy the model's folder"):
        load_model(copy)
    path.unlink()
    with pytest.raises(CorruptFolder, match=r"model.safetensors is missing: copy the model's folder again"):
        load_model(copy)
    with pytest.raises(FileNotFoundError, match=r"syncmv4d.json: no such file. Expected a folder written by"):
        load_model(tmp_path / "none")


@pytest.mark.parametrize("name", [METADATA_FILE, "mjd/diffusion_pytorch_model.safetensors", "vae/config.json"])
def test_the_fix_for_a_model_that_is_part_of_hoibench_is_to_reinstall(copy, monkeypatch, name):
    monkeypatch.setattr(model_folder, "CHECKPOINTS", copy.parent)
    (copy / name).unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"is part of hoibench: reinstall hoibench$"):
        load_model(copy)


@pytest.mark.parametrize("part", ["mjd", "vae"])
def test_weights_changed_in_place_are_rejected(copy, part):
    path = copy / part / "diffusion_pytorch_model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).flatten()[0] += 1
    save_file(tensors, path, {"format": "pt"})
    with pytest.raises(
        ValueError,
        match=r"model.safetensors has changed since it was written \(its SHA-256 differs\): copy the model's folder",
    ):
        load_model(copy)


def test_a_full_disk_is_an_oserror(model, tmp_path, monkeypatch):
    def full(*_):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(type(model.dpa), "save_pretrained", full)
    with pytest.raises(OSError, match="No space left on device") as raised:
        save_model(tmp_path / "model", model)
    assert raised.value.errno == errno.ENOSPC and not list(tmp_path.iterdir())


def test_an_older_schema_is_refused_by_name(copy):
    edit(copy, lambda record: record.update(schema="hoibench/syncmv4d@4"))
    with pytest.raises(ValueError, match="schema is 'hoibench/syncmv4d@4', expected 'hoibench/syncmv4d@5'"):
        load_model(copy)


def test_changed_metadata(copy):
    path = copy / METADATA_FILE
    path.write_text(path.read_text().replace('"loop_every": 1', '"loop_every": 2'))
    with pytest.raises(CorruptFolder, match="syncmv4d.json cannot be used .its SHA-256 differs"):
        load_model(copy)


def test_dpa_with_another_configuration(copy):
    edit(copy, lambda record: record["config"]["dpa"].update(window=None, orders=["z"]))
    with pytest.raises(
        ValueError, match=r"(?s)window is 256, expected None\n.*orders is \['z', 'z-trans'\], expected \['z'\]"
    ):
        load_model(copy)


def test_parts_of_another_model(copy, tmp_path):
    edit(copy, lambda record: record["config"]["vae"].update(stride=[4, 8, 8]))
    with pytest.raises(
        ValueError, match=r"vae has \(channels, \*stride\) \(16, 4, 16, 16\), the model expects \(16, 4, 8, 8\)"
    ):
        load_model(copy)


def stored(config):
    """A configuration as stored in a model's folder."""
    return json.loads(json.dumps(ModelMetadata(config=config).to_json()))["config"]


def read(table):
    return parse_record(ModelMetadata, {"config": table}, "x").config


@pytest.mark.parametrize("config", [NANO, preset("wan22_5b"), CONFIG])
def test_configuration_round_trip(config):
    assert read(stored(config)) == config


@pytest.mark.parametrize(
    ("where", "name", "value", "message"),
    [
        ((), "frames", 10, "x: config: 10 frames: expected 4 n"),
        ((), "frames", 9.0, "x: config.frames is 9.0: input should be a valid integer"),
        ((), "frames", True, "x: config.frames is True: input should be a valid integer"),
        ((), "speed", 9, "x: unknown key 'config.speed'"),
        ((), "mjd", [], "x: config.mjd is (): input should be an object"),
        (
            ("mjd",),
            "inter_view",
            "both",
            "x: config.mjd.inter_view is 'both': input should be 'joint', 'separate' or 'none'",
        ),
        (("mjd",), "patch_size", [1, 2], "x: the key 'config.mjd.patch_size[2]' is missing"),
        (("mjd",), "patch_size", [1, 2, "2"], "x: config.mjd.patch_size[2] is '2': input should be a valid integer"),
        (("dpa",), "window", "all", "x: config.dpa.window is 'all': input should be a valid integer"),
        (("dpa",), "orders", ["z", "hilbert"], "x: config.dpa.orders[1] is 'hilbert': input should be 'z' or"),
        (("flow",), "shift", None, "x: config.flow.shift is None: input should be a valid number"),
        (("cycle",), "guidance", 1, "x: config.cycle.guidance is 1: input should be a valid boolean"),
    ],
)
def test_invalid_configuration_values(where, name, value, message):
    table = stored(NANO)
    inner = table
    for key in where:
        inner = inner[key]
    inner[name] = value
    with pytest.raises(ValueError) as caught:
        read(table)
    assert message in str(caught.value)


def test_missing_fields_are_named():
    table = stored(NANO)
    del table["cycle"]["unit"], table["cycle"]["guidance_share"], table["frames"]
    with pytest.raises(
        ValueError, match=r"it lacks cycle.guidance_share, cycle.unit, frames: use the version that wrote it"
    ):
        read(table)
