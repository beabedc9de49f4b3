"""The command: usage errors in one sentence with exit code 2, and a complete training from cache to model folder."""

import dataclasses
import json
import re
import shutil

import pytest
import torch
from requests_for_models import small_request
from tiny_training import TINY, read_curve, write_cache

from hoibench.methods.check import check_prediction
from reference_model.cache.settings import weights_digest
from reference_model.config import PRESETS
from reference_model.export import main as export
from reference_model.generation.generate import generate
from reference_model.generation.inputs import split_views
from reference_model.loading.saved_model import load_model
from reference_model.model import SyncMV4D
from reference_model.train import main
from reference_model.training.run_folder import RunFolder

LAUNCH = """
learning_rate = 1e-3
dpa_learning_rate = 1e-3
precision = "fp32"
gradient_checkpointing = false
log_every = 1

[[stages]]
name = "warm-up"
objective = "warmup"
iterations = 2
size = [64, 96]
data_fraction = 0.5

[[stages]]
name = "loop"
objective = "joint"
iterations = 1
size = [64, 96]
"""


@pytest.fixture
def tiny(monkeypatch):
    """A preset of the size of the tiny checkpoint of Wan."""
    config = dataclasses.replace(TINY, mjd=dataclasses.replace(TINY.mjd, num_layers=2))
    monkeypatch.setitem(PRESETS, "tiny", config)
    return config


@pytest.fixture
def options(tiny, tmp_path, wan_folder):
    """The options of a training by name."""
    write_cache(tmp_path / "cache", clips=2, config=tiny, vae=weights_digest(wan_folder, "vae"))
    (tmp_path / "launch.toml").write_text(LAUNCH)
    return {
        "--preset": "tiny",
        "--cache": str(tmp_path / "cache"),
        "--wan": str(wan_folder),
        "--out": str(tmp_path / "run"),
        "--launch": str(tmp_path / "launch.toml"),
        "--device": "cpu",
    }


def to_words(options):
    return [word for pair in options.items() for word in pair]


def test_from_cache_to_model_folder(options, tiny, tmp_path, capsys):
    """Stopped after two iterations, resumed, and a third time already finished."""
    assert main([*to_words(options), "--iterations", "2"]) == 0
    assert not (tmp_path / "run/model").exists()
    assert main([*to_words(options), "--iterations", "1"]) == 2, "the weights after one iteration are gone"
    assert "has done 2 already: give at least 2" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run/model-00000001").exists()
    assert main(to_words(options)) == 0
    assert [point["stage"] for point in read_curve(tmp_path / "run")] == ["warm-up", "warm-up", "loop"]
    loaded = load_model(tmp_path / "run/model")
    assert loaded.config == tiny
    state = torch.load(tmp_path / "run/checkpoints/00000003/state.pt")["model"]
    assert all(torch.equal(value, state[name]) for name, value in loaded.model.named_parameters())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    capsys.readouterr()
    assert main(to_words(options)) == 0
    assert capsys.readouterr().err == f"already finished: {tmp_path / 'run/model'}\n"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
    assert len(read_curve(tmp_path / "run")) == 3


def test_export_stores_float16_and_writes_a_card_from_the_records(options, tmp_path, capsys):
    words = ["--run", tmp_path / "run", "--cache", tmp_path / "cache", "--out", tmp_path / "micro", "--preset", "tiny"]
    words = [str(word) for word in words]
    assert export(words) == 2 and "run.json: no such file. Expected the folder of a training" in capsys.readouterr().err
    assert main([*to_words(options), "--iterations", "2"]) == 0
    assert export(words) == 2 and "run/model: no such model, " in (error := capsys.readouterr().err)
    assert " has model-00000002: continue the training" in " ".join(error.split())
    assert main(to_words(options)) == 0
    assert export(words) == 0
    (tmp_path / "micro/results").mkdir()
    page = tmp_path / "micro/README.md"
    page.write_text(page.read_text().replace("# SyncMV4D", "# Changed") + "- Written by hand.\n")
    assert export(words) == 0
    trained, exported = load_model(tmp_path / "run/model").model, load_model(tmp_path / "micro/model").model
    for name, value in exported.named_parameters():
        assert value.dtype == torch.float32 and torch.equal(value, trained.get_parameter(name).half().float()), name
    sizes = [
        sum(path.stat().st_size for path in (folder / "mjd").glob("*.safetensors"))
        for folder in (tmp_path / "run/model", tmp_path / "micro/model")
    ]
    assert sizes[1] < 0.6 * sizes[0]
    card = (tmp_path / "micro/README.md").read_text()
    count = sum(value.numel() for value in trained.mjd.parameters())
    for fact in (f"{count} parameters", "2 clips of `toy@1/train`", "| warm-up | warmup | both | 2 |", "Seed 0"):
        assert fact in card
    assert len(re.findall(r"^\| (?:warm-up|loop) \| \d \| [\d. |e-]+$", card, re.MULTILINE)) == 3, "the loss curve"
    assert str(tmp_path) not in card
    assert "# Changed" not in card and card.endswith("- Written by hand.\n") and card.count("## Limits") == 1
    assert "results/README.md" not in card, "evaluate writes them for the model that is part of hoibench alone"
    assert not (tmp_path / "micro/results").exists(), "they were another model's"
    shutil.rmtree(tmp_path / "micro/model")
    assert export(words) == 2 and "has other contents than a published model" in capsys.readouterr().err
    assert (tmp_path / "micro/README.md").read_text() == card


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--preset": "huge"}, "no preset 'huge'"),
        ({"--launch": "nowhere.toml"}, "nowhere.toml: no such launch configuration"),
        (
            {"--cache": "nowhere"},
            "nowhere/cache.json is missing: expected a folder written by python -m reference_model.prepare",
        ),
        ({"--wan": "nowhere"}, "nowhere"),
        ({"--iterations": "9"}, "--iterations is 9, expected 1 to 3"),
        ({"--seed": "-1"}, "seed is -1: expected 0 or more, and less than 2**63"),
        ({"--cache": ""}, "--cache is empty (an unset variable?): give a value"),
        ({"--out": ""}, "--out is empty"),
    ],
)
def test_usage_errors_are_one_sentence(options, tmp_path, capsys, changes, message):
    if "--launch" not in changes and "--preset" in changes:
        changes = changes | {"--launch": options["--launch"]}
    assert main(to_words(options | changes)) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_missing_cache_is_reported(options, capsys):
    words = to_words({name: value for name, value in options.items() if name != "--cache"})
    for empty in (["--cache"], ["--cache="]):
        assert main([*words, *empty]) == 2
        error = capsys.readouterr().err
        assert error.startswith(
            ("error: --cache lacks its value: write ", "error: --cache is empty (an unset variable?): give ")
        )


def test_a_folder_that_cannot_be_created_is_named(options, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out, reason in ((tmp_path / "file/run", "Not a directory"), (tmp_path / "file", "File exists")):
        assert main(to_words(options | {"--out": str(out)})) == 2
        assert capsys.readouterr().err == f"error: --out {out} cannot be written ({reason}): give a writable folder\n"


LOOP = LAUNCH[: LAUNCH.index("[[stages]]")] + LAUNCH[LAUNCH.rindex("[[stages]]") :]


def test_a_launch_configuration_changes_the_model(options, tiny, tmp_path, capsys):
    """The changed preset is trained, recorded and saved; resuming without the changes is refused."""
    launch = tmp_path / "launch.toml"
    launch.write_text(LOOP + '[model.cycle]\ngradient = "full"\nguidance = false\n[model.dpa]\ntemporal = true\n')
    assert main(to_words(options)) == 0
    expected = dataclasses.replace(
        tiny,
        cycle=dataclasses.replace(tiny.cycle, gradient="full", guidance=False),
        dpa=dataclasses.replace(tiny.dpa, temporal=True),
    )
    loaded = load_model(tmp_path / "run/model")
    assert loaded.config == loaded.model.config == expected
    assert loaded.model.dpa.state_dict().keys() == SyncMV4D(expected).dpa.state_dict().keys()
    assert loaded.model.dpa.state_dict().keys() > SyncMV4D(tiny).dpa.state_dict().keys()
    recorded = json.loads((tmp_path / "run/run.json").read_text())["model"]
    assert (recorded["cycle"]["gradient"], recorded["dpa"]["temporal"]) == ("full", True)
    launch.write_text(LOOP)
    capsys.readouterr()
    assert main(to_words(options)) == 2
    error = capsys.readouterr().err
    assert "model.cycle.guidance was False, now True; model.cycle.gradient was full, now none" in error


def test_a_model_of_one_view_is_trained_and_generates_the_views_one_by_one(options, tmp_path):
    (tmp_path / "launch.toml").write_text(LAUNCH + "[model.mjd]\nviews = 1\n[model.dpa]\nviews = 1\n")
    assert main(to_words(options)) == 0
    loaded = load_model(tmp_path / "run/model")
    anchors = small_request().anchors
    anchors[2] = torch.nan  # a view without points is generated too
    request = small_request(frames=TINY.frames, anchors=anchors)
    whole, z_motion = generate(loaded, request)
    check_prediction(whole, request)
    assert whole.video.shape == (3, TINY.frames, TINY.height, TINY.width, 3) and len(whole.provenance["s"]) == 3
    alone, z_alone = generate(loaded, split_views(request)[1])
    assert (whole.video[1] == alone.video[0]).all() and torch.equal(z_motion[1], z_alone[0])
    assert (whole.tracks[1] == alone.tracks[0]).all() and (whole.anchors[:2] == anchors[:2]).all()
    assert whole.valid[:2].any() and not whole.valid[2].any()


def test_a_launch_configuration_with_other_pseudo_videos_is_refused(options, tmp_path, capsys):
    (tmp_path / "launch.toml").write_text(LOOP + "[model.pseudo_video]\nradius = 2\n")
    assert main(to_words(options)) == 2
    assert "cache was made with other settings (radius was 1, now 2)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_launch_configuration_of_another_autoencoder_is_refused(options, tiny, tmp_path, wan_folder, capsys):
    (tmp_path / "launch.toml").write_text(LOOP + "[model.vae]\nstride = [8, 16, 16]\n")
    other = dataclasses.replace(tiny, vae=dataclasses.replace(tiny.vae, stride=(8, 16, 16)))
    write_cache(tmp_path / "other", clips=1, config=other, vae=weights_digest(wan_folder, "vae"))
    assert main(to_words(options | {"--cache": str(tmp_path / "other")})) == 2
    assert "vae has (channels, *stride) (16, 4, 16, 16), the model expects (16, 8, 16, 16)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_stage_without_a_cache_says_how_to_create_one(options, tmp_path, capsys):
    (tmp_path / "launch.toml").write_text(LAUNCH.replace("[64, 96]", "[96, 64]"))
    assert main(to_words(options)) == 2
    assert "stage warm-up needs a cache of 96x64, --cache has 64x96: run python -m" in capsys.readouterr().err


def test_another_seed_is_refused(options, capsys):
    assert main([*to_words(options), "--iterations", "1"]) == 0
    assert main([*to_words(options), "--iterations", "2", "--seed", "4"]) == 2
    assert "training.seed was 0, now 4" in capsys.readouterr().err


def test_settings_may_change_until_the_first_checkpoint(options, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    launch = tmp_path / "launch.toml"
    with monkeypatch.context() as patched:
        patched.setattr(SyncMV4D, "forward", full)
        assert main([*to_words(options), "--iterations", "1"]) == 1
    assert "out of memory" in capsys.readouterr().err and (tmp_path / "run/run.json").is_file()
    launch.write_text("betas = [0.9, 0.5]\n" + LAUNCH)
    (tmp_path / "run/model").mkdir()  # not a model yet
    assert main([*to_words(options), "--iterations", "1"]) == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["training"]["betas"] == [0.9, 0.5]
    launch.write_text(LAUNCH)
    assert main([*to_words(options), "--iterations", "2"]) == 2
    assert "training.betas was [0.9, 0.5], now [0.9, 0.95]" in capsys.readouterr().err


def test_two_trainings_at_once_in_one_folder_are_refused(options, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    with RunFolder(tmp_path / "run").locked():
        assert main([*to_words(options), "--seed", "4"]) == 2
    assert capsys.readouterr().err == (
        f"error: another training is running in {tmp_path / 'run'}: stop it, or give another --out\n"
    )
    assert not (tmp_path / "run/run.json").exists()
    assert main([*to_words(options), "--iterations", "1"]) == 0


def test_two_caches_of_one_size_are_refused(options, tmp_path, capsys):
    assert main([*to_words(options), "--cache", str(tmp_path / "cache")]) == 2
    assert "several of one size" in capsys.readouterr().err


def test_a_cache_of_another_autoencoder_is_refused(options, tiny, tmp_path, capsys):
    write_cache(tmp_path / "other", clips=1, config=tiny, vae="0123456789ab")
    assert main(to_words(options | {"--cache": str(tmp_path / "other")})) == 2
    assert "was encoded by another autoencoder (0123456789ab)" in capsys.readouterr().err


def test_a_checkpoint_of_another_shape_leaves_the_out_folder_free(options, tmp_path, capsys):
    """The launch configuration can be fixed and the same command run again."""
    (tmp_path / "launch.toml").write_text(LAUNCH + "[model.mjd]\nffn_dim = 64\n")
    assert main(to_words(options)) == 2
    assert "ffn_dim is 192, expected 64" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
