"""``python -m reference_model.sample`` in this process, on a user's own images."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from requests_for_models import SIZE, N, small_request

from hoibench.methods.registry import folder_spec
from hoibench.predictions import is_complete, read_prediction
from hoibench.store import sha256_json
from hoibench.video import probe
from reference_model.loading.model_folder import METADATA_FILE
from reference_model.method import read_spec
from reference_model.sample import main


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """clip.json and three images."""
    folder = tmp_path_factory.mktemp("images") / "kitchen"
    write_images(folder)
    return folder


def write_images(folder):
    folder.mkdir()
    request = small_request()
    views = [
        {"id": view.id, "cluster": view.cluster, "size": list(SIZE)}
        | {name: getattr(view.camera, name).tolist() for name in ("K", "R", "t")}
        for view in request.views
    ]
    facts = {"schema": "hoibench/clip@1", "fps": 8, "frames": N, "size": list(SIZE), "prompt": "stir", "views": views}
    (folder / "clip.json").write_text(json.dumps(facts))
    for index, view in enumerate(request.views):
        Image.fromarray(view.image).save(folder / f"view-{index}.png")


@pytest.fixture
def sample(small_model_folder, images, tmp_path, capsys):
    """Run the command: exit code, stdout, the last line of stderr."""

    def run(*flags):
        base = ("--checkpoint", small_model_folder, "--out", tmp_path / "out", "--device", "cpu", "--images", images)
        words = [str(word) for word in base]
        for flag, value in zip(flags[::2], flags[1::2], strict=True):
            if flag in words:
                words[words.index(flag) + 1] = str(value)
            else:
                words += [flag, str(value)]
        code = main(words)
        output = capsys.readouterr()
        return code, output.out, output.err.strip().splitlines()[-1:]

    return run


def test_a_users_own_images(sample, images, tmp_path, monkeypatch):
    code, out, _ = sample()
    assert (code, out) == (0, f"{tmp_path / 'out'}\n")
    folder = tmp_path / "out" / "seed-0" / "kitchen"
    names = [f"{kind}-{v}.mp4" for kind in ("motion", "view") for v in range(3)]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "prediction.json", "tracks.npz"])
    for name in names:
        info = probe(folder / name)
        assert (info.frames, info.height, info.width) == (N, *SIZE)
    assert is_complete(folder)
    prediction = read_prediction(folder)
    assert prediction.tracks.shape[:2] == (3, N) and prediction.provenance["anchors"] == "model"
    spec = folder_spec("mine", tmp_path / "out")
    assert (spec.pairing, spec.outputs, spec.scale) == (read_spec().pairing, ("video", "tracks"), "metric")

    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert sample()[0] == 0
    assert before == {path: path.stat().st_mtime_ns for path in folder.iterdir()}, "completed clips are skipped"

    shutil.copytree(images, tmp_path / "kitchen")
    facts = json.loads((images / "clip.json").read_text()) | {"prompt": "pour"}
    (tmp_path / "kitchen/clip.json").write_text(json.dumps(facts))
    code, _, error = sample("--images", tmp_path / "kitchen")
    assert code == 2 and "has a prediction with other settings" in error[0], "another prompt"
    code, _, error = sample("--precision", "bf16")
    assert code == 2
    assert error[0].endswith("with other settings (precision was fp32, now bf16): give another --out"), "no others"
    (folder / "prediction.json").unlink()  # as when it was killed
    (folder / ".tmp-01234567-motion-0.mp4").write_bytes(b"half")
    assert sample()[0] == 0 and not list(folder.glob(".tmp-*"))
    np.testing.assert_array_equal(read_prediction(folder).tracks, prediction.tracks)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--limit", 0), "error: --limit is 0, expected at least 1"),
        (("--seed", -1), "error: --seed is -1, expected 0 or more, and less than 2**63"),
        (("--checkpoint", "nowhere"), "error: nowhere/syncmv4d.json: no such file. Expected a folder written"),
        (("--images", "nowhere"), "error: nowhere/clip.json: no such file. Expected schema, fps, frames"),
        (("--checkpoint", ""), "error: --checkpoint is empty (an unset variable?): give a value"),
        (("--out", ""), "error: --out is empty"),
    ],
)
def test_one_sentence_for_each_mistake(sample, flags, message):
    code, out, error = sample(*flags)
    assert (code, out) == (2, "") and error[0].startswith(message)


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model fails the test."""

    def load(*_):
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("reference_model.loading.saved_model.load_model", load)


@pytest.mark.usefixtures("no_model")
def test_a_clip_that_does_not_fit_is_refused_before_loading(sample, images, tmp_path):
    folder = tmp_path / "longer"
    shutil.copytree(images, folder)
    facts = json.loads((folder / "clip.json").read_text())
    (folder / "clip.json").write_text(json.dumps(facts | {"frames": 9}))
    code, out, error = sample("--images", folder)
    assert (code, out) == (2, "")
    assert error == [
        "error: clip longer has 9 frames of 64x96, the model was trained for 5 frames of 64x96: use clips of that size"
    ]
    assert not (tmp_path / "out").exists()


def other_steps(model):
    record = json.loads((model / METADATA_FILE).read_text())
    del record["metadata_sha256"]
    record["config"]["flow"]["steps"] += 1
    (model / METADATA_FILE).write_text(json.dumps(record | {"metadata_sha256": sha256_json(record)}))


def other_weight(model):
    path = model / "vae" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # of the same size


def other_words(model):
    path = model / "tokenizer" / "tokenizer_config.json"
    path.write_bytes(path.read_bytes()[:-1] + b" ")


CHANGES = (other_steps, other_weight, other_words)


def test_a_prediction_of_another_model_is_not_reused(sample, small_model_folder, tmp_path, request):
    models = {change: shutil.copytree(small_model_folder, tmp_path / change.__name__) for change in CHANGES}
    assert sample("--checkpoint", small_model_folder)[0] == 0
    request.getfixturevalue("no_model")
    for change, model in models.items():
        assert sample("--checkpoint", model)[0] == 0, "a copy is the same model"
        change(model)
        code, _, error = sample("--checkpoint", model)
        assert code == 2 and "has a prediction with other settings" in error[0], change.__name__


@pytest.mark.slow
@pytest.mark.usefixtures("no_model")
def test_a_data_set_of_another_grid_is_refused_before_loading(small_model_folder, tmp_path, capsys):
    words = ["--checkpoint", str(small_model_folder), "--out", str(tmp_path / "out"), "--root", str(tmp_path / "data")]
    assert main([*words, "--device", "cpu"]) == 2
    assert "has 25 frames of 128x192, the model was trained for 5 frames of 64x96" in capsys.readouterr().err


@pytest.mark.usefixtures("no_model")
def test_an_output_folder_that_cannot_be_created_is_named_before_loading(sample, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out, reason in ((tmp_path / "file/out", "Not a directory"), (tmp_path / "file", "File exists")):
        code, _, error = sample("--out", out)
        assert code == 2 and error == [f"error: --out {out} cannot be written ({reason}): give a writable folder"]


def test_missing_or_damaged_images_are_named(sample, tmp_path):
    folder = tmp_path / "mine"
    write_images(folder)
    (folder / "view-1.png").write_bytes((folder / "view-1.png").read_bytes()[:60])
    code, _, error = sample("--images", folder)
    assert code == 2 and f"{folder / 'view-1.png'} cannot be read as an image" in error[0]
    (folder / "view-1.png").unlink()
    code, _, error = sample("--images", folder)
    assert code == 2 and f"{folder / 'view-1.png'}: no such file. Expected one reference image" in error[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_synthetic_clip_in_a_subprocess(nano_folder, tmp_path):
    words = [
        sys.executable,
        "-m",
        "reference_model.sample",
        "--checkpoint",
        nano_folder,
        "--out",
        "out",
        "--root",
        "data",
        "--limit",
        "1",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "out\n"
    (folder,) = (tmp_path / "out" / "seed-0").iterdir()
    assert read_prediction(folder).provenance["anchors"] == "request"
