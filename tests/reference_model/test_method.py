"""The method as the benchmark loads it, on a small grid, with weights of its own."""

import dataclasses
import importlib.metadata
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from requests_for_models import SIZE, N, small_request, with_view

from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.method import Entrant, Runtime
from hoibench.methods.registry import installed_specs, load_method
from hoibench.store import sha256_json
from reference_model import method as method_module
from reference_model.config import ABLATIONS, PRESETS
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.loading.saved_model import load_model, save_model
from reference_model.method import SHIPPED, SyncMV4DMethod, read_spec, wan_folder

REQUEST = small_request()
LOAD_MODEL = "reference_model.loading.saved_model.load_model"


def load(folder, preset="custom", settings=(), **runtime):
    settings = dict(settings) | ({} if folder is None else {"checkpoint": folder})
    return load_method(Entrant(read_spec(), preset, settings), Runtime(**runtime))


@pytest.fixture(scope="module")
def nano_like(small_model_folder, tmp_path_factory):
    """The small model with as many points as nano has: other than in grid it is nano."""
    return edited(small_model_folder, tmp_path_factory.mktemp("method") / "small", "pseudo_video", "points", 256)


def edited(folder, copy, table, name, value):
    """A copy of a model's folder whose record has another value."""
    shutil.copytree(folder, copy)
    record = json.loads((copy / METADATA_FILE).read_text())
    del record["metadata_sha256"]
    record["config"][table][name] = value
    (copy / METADATA_FILE).write_text(json.dumps(record | {"metadata_sha256": sha256_json(record)}))
    return copy


@pytest.fixture(scope="module")
def method(nano_like):
    return load(nano_like, preset="nano")


@pytest.fixture(scope="module")
def prediction(method):
    return method.generate(REQUEST)


def parts(prediction):
    return [getattr(prediction, name) for name in ("video", "tracks", "anchors", "valid")]


def equal(one, other):
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(parts(one), parts(other), strict=True))


def test_a_prediction_has_the_outputs_of_the_spec(method, prediction):
    check_outputs(prediction, method.spec)
    check_prediction(prediction, REQUEST)
    assert prediction.scale == method.spec.scale
    assert prediction.video.shape == (3, N, *SIZE, 3)
    json.dumps(dict(prediction.provenance), allow_nan=False)
    assert prediction.provenance["checkpoint"] == "small", "its name, and no path"
    assert {key: prediction.provenance[key] for key in ("preset", "precision", "steps", "seed", "anchors")} == {
        "preset": "nano", "precision": "fp32", "steps": 2, "seed": 3, "anchors": "request",
    }  # fmt: skip


def test_the_seed_decides_every_byte(method, prediction):
    torch.manual_seed(99)  # the global generator is not used
    assert equal(method.generate(REQUEST), prediction)
    other = method.generate(dataclasses.replace(REQUEST, seed=4))
    assert not np.array_equal(other.tracks, prediction.tracks) and not np.array_equal(other.video, prediction.video)


def test_the_order_of_the_views_changes_nothing_else(method, prediction):
    order = [2, 0, 1]
    other = method.generate(
        dataclasses.replace(REQUEST, views=tuple(REQUEST.views[i] for i in order), anchors=REQUEST.anchors[order])
    )
    for mine, theirs in zip(parts(other), parts(prediction), strict=True):
        np.testing.assert_array_equal(mine, theirs[order])


def test_without_anchors_the_model_chooses_by_the_seed(method):
    request = dataclasses.replace(REQUEST, anchors=None)
    one = method.generate(request)
    check_prediction(one, request)
    assert one.provenance["anchors"] == "model"
    assert equal(method.generate(request), one)


def test_the_prompt_has_an_effect_and_none_is_the_empty_prompt(method, prediction):
    none, empty = (method.generate(dataclasses.replace(REQUEST, prompt=prompt)) for prompt in (None, ""))
    assert equal(none, empty)
    assert not np.array_equal(none.tracks, prediction.tracks) or not np.array_equal(none.video, prediction.video)


def test_settings_change_the_steps_and_the_loop(small_model_folder, prediction):
    other = load(small_model_folder, settings={"steps": 1, "loop": "mjd_tracks"}).generate(REQUEST)
    assert {key: other.provenance[key] for key in ("steps", "loop")} == {"steps": 1, "loop": "mjd_tracks"}
    assert (prediction.provenance["loop"], prediction.valid.all(), other.valid.all()) == ("on", True, False)
    with pytest.raises(ValueError, match="steps is 0: expected 1 or more"):
        load(small_model_folder, settings={"steps": 0})


def test_half_precision_is_close_and_not_the_same(small_model_folder, prediction):
    half = load(small_model_folder, precision="bf16").generate(REQUEST)
    difference = np.abs(half.video.astype(float) - prediction.video)
    assert difference.max() > 0 and difference.mean() < 5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prompt": "brush " * 20}, r"has 21 tokens, the model takes at most 16: shorten it"),
        ({"frames": 9}, "the model was trained for 5 frames of 64x96"),
        ({"size": (64, 128)}, "has 5 frames of 64x128, the model was trained for 5 frames of 64x96"),
        ({"views": REQUEST.views[:2]}, "clip_0 has 2 views, the model was trained for V = 3"),
        ({"views": ()}, "clip_0 has 0 views, the model was trained for V = 3"),
        ({"views": with_view(REQUEST, 1, camera=None).views}, "view cam-center has no camera"),
        ({"views": with_view(REQUEST, 1, image=None).views}, "view cam-center has no reference image"),
        (
            {"views": with_view(REQUEST, 0, image=np.zeros((96, 64, 3), np.uint8)).views},
            r"image has shape \(96, 64, 3\), expected",
        ),
        ({"anchors": REQUEST.anchors[:, :0], "prompt": ""}, "clip_0 has no anchor: give at least one, or None"),
        ({"anchors": np.full_like(REQUEST.anchors, np.nan)}, "clip_0 has no finite anchor"),
        ({"anchors": REQUEST.anchors[:2]}, r"anchors has shape \(2, 12, 2\), expected \(3, K, 2\)"),
    ],
)
def test_requests_that_do_not_fit_are_refused(method, changed, message):
    with pytest.raises(ValueError, match=message):
        method.generate(dataclasses.replace(REQUEST, **changed))


@pytest.mark.parametrize("name", ["K", "R", "t"])
def test_a_camera_with_nan_is_refused(name):
    camera = REQUEST.views[0].camera
    with pytest.raises(ValueError, match=f"Camera.{name} has NaN or infinity"):
        dataclasses.replace(camera, **{name: getattr(camera, name) * np.nan})


def test_anchors_of_one_view_alone_are_tracked_there(method):
    anchors = REQUEST.anchors.copy()
    anchors[:2] = np.nan
    prediction = method.generate(dataclasses.replace(REQUEST, anchors=anchors))
    assert not prediction.valid[:2].any() and np.isfinite(prediction.tracks).all()


def test_without_anchors_and_prompt_the_model_chooses_both(method):
    request = dataclasses.replace(REQUEST, anchors=None, prompt="")
    prediction = method.generate(request)
    check_prediction(prediction, request)
    assert prediction.provenance["anchors"] == "model"


def test_a_folder_that_is_no_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"syncmv4d\.json: no such file"):
        load(tmp_path, preset="nano")


def test_a_checkpoint_of_another_preset(small_model_folder):
    with pytest.raises(
        ValueError, match=r"small does not match preset wan22_5b: mjd\.num_attention_heads 4 \(wan22_5b: 24\), .*"
    ):
        load(small_model_folder, preset="wan22_5b")


@pytest.mark.parametrize(
    ("table", "name", "value", "difference"),
    [
        ("mjd", "view_rope", False, r"mjd\.view_rope False \(nano: True\)"),
        ("dpa", "predicts", "velocity", r"dpa\.predicts velocity \(nano: tracks\)"),
        ("pseudo_video", "radius", 2, r"pseudo_video\.radius 2 \(nano: 3\)"),
        ("cycle", "reading", "algorithm1_literal", r"cycle\.reading algorithm1_literal \(nano: x0\)"),
        ("vae", "base_dim", 16, r"vae\.base_dim 16 \(nano: 8\)"),
    ],
)
def test_fields_that_make_a_checkpoint_another_preset(nano_like, tmp_path, table, name, value, difference):
    other = edited(nano_like, tmp_path / "other", table, name, value)
    with pytest.raises(ValueError, match=rf"other does not match preset nano: {difference}\. Use syncmv4d\+custom"):
        load(other, preset="nano")


@pytest.mark.parametrize(
    ("table", "name", "value"),
    [
        ("mjd", "guidance_init", "patch_embedding"),
        ("dpa", "sparse_conv", "torch"),
        ("flow", "shift", 3.0),
        ("cycle", "loop_every", 2),
    ],
)
def test_fields_in_which_a_checkpoint_may_differ_from_its_preset(nano_like, tmp_path, monkeypatch, table, name, value):
    monkeypatch.setattr(LOAD_MODEL, lambda *_: None)
    load(edited(nano_like, tmp_path / "other", table, name, value), preset="nano")


def test_preflight_finds_what_keeps_the_model_from_loading(small_model_folder, tmp_path, monkeypatch):
    def find(folder, preset):
        entrant = Entrant(read_spec(), preset, {"checkpoint": folder})
        return [str(problem) for problem in SyncMV4DMethod.preflight(entrant, Runtime())]

    assert find(small_model_folder, "custom") == []
    assert "syncmv4d.json: no such file" in find(tmp_path, "custom")[0]
    assert "does not match preset wan22_5b" in find(small_model_folder, "wan22_5b")[0]
    bare = tmp_path / "bare"
    shutil.copytree(small_model_folder, bare, ignore=shutil.ignore_patterns("vae"))
    (line,) = find(bare, "custom")
    assert "vae" in line
    monkeypatch.setattr(method_module, "find_spec", lambda name: None if name in ("diffusers", "ftfy") else name)
    assert find(small_model_folder, "custom") == ["diffusers, ftfy are not installed: pip install 'hoibench[model]'"]


def test_preflight_needs_no_slow_import():
    script = (
        "import sys, reference_model.method; print([name for name in ('torch', 'diffusers') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_parts_are_read_from_the_weights_folder(small_model_folder, wan_folder, tmp_path):
    bare = tmp_path / "bare"
    save_model(bare, load_model(small_model_folder).model)
    with pytest.raises(
        FileNotFoundError, match="bare has no vae: give a copy of Wan2.2-TI2V-5B-Diffusers by --weights"
    ):
        load(bare)
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "Wan2.2-TI2V-5B-Diffusers").symlink_to(wan_folder)
    assert wan_folder_of(weights) == weights / "Wan2.2-TI2V-5B-Diffusers"
    assert wan_folder_of(wan_folder) == wan_folder
    assert isinstance(load(bare, weights=weights), SyncMV4DMethod)


wan_folder_of = wan_folder  # in the test, the fixture has the name


@pytest.mark.parametrize("stage", ["load", "generate"])
def test_out_of_memory_says_what_to_lower(small_model_folder, method, monkeypatch, stage):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(LOAD_MODEL if stage == "load" else "reference_model.generation.generate.generate", full)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory on cpu: use --precision bf16 or --workers 1"):
        load(small_model_folder) if stage == "load" else method.generate(REQUEST)


def test_out_of_memory_in_half_precision_does_not_suggest_it(small_model_folder, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(LOAD_MODEL, full)
    with pytest.raises(torch.OutOfMemoryError, match="out of memory on cpu: use --workers 1, or a checkpoint of"):
        load(small_model_folder, precision="bf16")


def test_closing_frees_the_model(small_model_folder):
    method = load(small_model_folder)
    method.close()
    with pytest.raises(AssertionError, match="closed"):
        method.generate(REQUEST)


def test_the_spec_is_found_by_its_entry_point(monkeypatch):
    point = importlib.metadata.EntryPoint("syncmv4d", "reference_model", "hoibench.methods")
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point] if group == "hoibench.methods" else []
    )
    installed_specs.cache_clear()
    try:
        assert installed_specs() == {"syncmv4d": read_spec()}
    finally:
        installed_specs.cache_clear()
    spec = read_spec()
    assert (spec.pairing, spec.scale, spec.view_type, spec.outputs) == ("query", "metric", "mv", ("video", "tracks"))
    assert next(iter(spec.presets)) == SHIPPED and spec.families == ("i2vm", "ito4g")
    variants = {name for name in spec.presets if "-" in name}
    assert spec.presets.keys() - variants == {"custom", *PRESETS}
    of_loop = {f"{SHIPPED}-no_guidance", f"{SHIPPED}-mjd_tracks"}
    assert variants - of_loop == {name for name in ABLATIONS if not name.endswith("-start")}
    with_weights = {name for name, preset in spec.presets.items() if "checkpoint" in preset.settings}
    assert with_weights == {SHIPPED, *of_loop, *(name for name in variants if name.startswith(SHIPPED))}
