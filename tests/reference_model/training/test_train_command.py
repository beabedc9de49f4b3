"""The command: errors of use in one sentence with exit code 2, and a whole training from cache to a model's folder."""

import dataclasses
import json

import pytest
import torch
from tiny_training import TINY, curve, write_cache

from reference_model.cache.metadata import weights_digest
from reference_model.config import PRESETS
from reference_model.model import SyncMV4D
from reference_model.saved_model import load_model
from reference_model.train import main
from reference_model.training.run_folder import RunFolder

LAUNCH = """
learning_rate = 1e-3
points_learning_rate = 1e-3
precision = "fp32"
gradient_checkpointing = false
log_every = 1

[[stages]]
name = "warm-up"
stage = "warmup"
iterations = 2
size = [64, 96]
data = 0.5

[[stages]]
name = "loop"
stage = "joint"
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
def asked(tiny, tmp_path, wan_folder):
    """The options of a training, by name."""
    write_cache(tmp_path / "cache", clips=2, config=tiny, vae=weights_digest(wan_folder, "vae"))
    (tmp_path / "launch.toml").write_text(LAUNCH)
    return {
        "--preset": "tiny",
        "--cache": str(tmp_path / "cache"),
        "--wan": str(wan_folder),
        "--out": str(tmp_path / "run"),
        "--stages": str(tmp_path / "launch.toml"),
        "--device": "cpu",
    }


def words(options):
    return [word for pair in options.items() for word in pair]


def test_from_cache_to_a_models_folder(asked, tiny, tmp_path, capsys):
    """Stopped after two iterations, gone on with, and a third time there is nothing left to do."""
    assert main([*words(asked), "--iterations", "2"]) == 0
    assert not (tmp_path / "run/model").exists()
    assert main(words(asked)) == 0
    assert [point["stage"] for point in curve(tmp_path / "run")] == ["warm-up", "warm-up", "loop"]
    loaded = load_model(tmp_path / "run/model")
    assert loaded.config == tiny
    state = torch.load(tmp_path / "run/checkpoints/00000003/state.pt")["model"]
    assert all(torch.equal(value, state[name]) for name, value in loaded.model.named_parameters())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    capsys.readouterr()
    assert main(words(asked)) == 0
    assert capsys.readouterr().err == f"finished already: {tmp_path / 'run/model'}\n"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before
    assert len(curve(tmp_path / "run")) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"--preset": "huge"}, "no preset 'huge'"),
        ({"--stages": "nowhere.toml"}, "nowhere.toml: no such launch configuration"),
        ({"--cache": "nowhere"}, "nowhere is no folder that python -m reference_model.prepare wrote"),
        ({"--wan": "nowhere"}, "nowhere"),
        ({"--iterations": "9"}, "--iterations is 9, expected 1 to 3"),
        ({"--seed": "-1"}, "seed is -1: expected 0 or more, and less than 2**63"),
        ({"--cache": ""}, "--cache is given an empty word (an unset variable?): give a value"),
        ({"--out": ""}, "--out is given an empty word"),
    ],
)
def test_errors_of_use_are_one_sentence(asked, tmp_path, capsys, changes, told):
    if "--stages" not in changes and "--preset" in changes:
        changes = changes | {"--stages": asked["--stages"]}
    assert main(words(asked | changes)) == 2
    error = capsys.readouterr().err
    assert told in error and "Traceback" not in error
    assert not (tmp_path / "run/checkpoints").exists()


def test_no_cache_at_all_is_told(asked, capsys):
    options = words({name: value for name, value in asked.items() if name != "--cache"})
    for empty in (["--cache"], ["--cache="]):
        assert main([*options, *empty]) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: --cache ") and "give" in error


def test_a_folder_that_cannot_be_made_is_named(asked, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    for out, reason in ((tmp_path / "file/run", "Not a directory"), (tmp_path / "file", "File exists")):
        assert main(words(asked | {"--out": str(out)})) == 2
        assert capsys.readouterr().err == f"error: --out {out} cannot be written ({reason}): give a folder that can\n"


LOOP = LAUNCH[: LAUNCH.index("[[stages]]")] + LAUNCH[LAUNCH.rindex("[[stages]]") :]


def test_a_launch_configuration_changes_the_model(asked, tiny, tmp_path, capsys):
    """What is trained, recorded and saved is the preset with those changes; going on without them is refused."""
    launch = tmp_path / "launch.toml"
    launch.write_text(LOOP + '[model.cycle]\ngradient = "full"\nguidance = false\n[model.dpa]\ntemporal = true\n')
    assert main(words(asked)) == 0
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
    assert main(words(asked)) == 2
    told = capsys.readouterr().err
    assert "model.cycle.guidance was False, now True; model.cycle.gradient was full, now none" in told


def test_a_launch_configuration_of_another_drawing_is_refused(asked, tmp_path, capsys):
    (tmp_path / "launch.toml").write_text(LOOP + "[model.pseudo_video]\nradius = 2\n")
    assert main(words(asked)) == 2
    assert "cache was made with other settings (radius was 1, now 2)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_launch_configuration_of_another_autoencoder_is_refused(asked, tiny, tmp_path, wan_folder, capsys):
    (tmp_path / "launch.toml").write_text(LOOP + "[model.vae]\nstride = [8, 16, 16]\n")
    other = dataclasses.replace(tiny, vae=dataclasses.replace(tiny.vae, stride=(8, 16, 16)))
    write_cache(tmp_path / "other", clips=1, config=other, vae=weights_digest(wan_folder, "vae"))
    assert main(words(asked | {"--cache": str(tmp_path / "other")})) == 2
    assert "vae has (channels, *stride) (16, 4, 16, 16), the preset (16, 8, 16, 16)" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_stage_without_a_cache_of_its_size_says_how_to_make_one(asked, tmp_path, capsys):
    (tmp_path / "launch.toml").write_text(LAUNCH.replace("[64, 96]", "[96, 64]"))
    assert main(words(asked)) == 2
    assert "stage warm-up needs a cache of 96x64, --cache has 64x96: run python -m" in capsys.readouterr().err


def test_another_seed_is_refused(asked, capsys):
    assert main([*words(asked), "--iterations", "1"]) == 0
    assert main([*words(asked), "--iterations", "2", "--seed", "4"]) == 2
    assert "training.seed was 0, now 4" in capsys.readouterr().err


def test_until_the_first_checkpoint_the_settings_may_be_put_right(asked, tmp_path, capsys, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    launch = tmp_path / "launch.toml"
    with monkeypatch.context() as patched:
        patched.setattr(SyncMV4D, "forward", full)
        assert main([*words(asked), "--iterations", "1"]) == 1
    assert "memory is full" in capsys.readouterr().err and (tmp_path / "run/run.json").is_file()
    launch.write_text("betas = [0.9, 0.5]\n" + LAUNCH)
    (tmp_path / "run/model").mkdir()  # which is no model yet
    assert main([*words(asked), "--iterations", "1"]) == 0
    assert json.loads((tmp_path / "run/run.json").read_text())["training"]["betas"] == [0.9, 0.5]
    launch.write_text(LAUNCH)
    assert main([*words(asked), "--iterations", "2"]) == 2
    assert "training.betas was [0.9, 0.5], now [0.9, 0.95]" in capsys.readouterr().err


def test_two_trainings_at_once_in_one_folder_are_refused(asked, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    with RunFolder(tmp_path / "run").held():
        assert main([*words(asked), "--seed", "4"]) == 2
    assert capsys.readouterr().err == (
        f"error: another training is at work in {tmp_path / 'run'}: end it, or give another --out\n"
    )
    assert not (tmp_path / "run/run.json").exists()
    assert main([*words(asked), "--iterations", "1"]) == 0


def test_two_caches_of_one_size_are_refused(asked, tmp_path, capsys):
    options = words(asked)
    options.insert(options.index("--cache") + 2, str(tmp_path / "cache"))
    assert main(options) == 2
    assert "several of one size" in capsys.readouterr().err


def test_a_cache_of_another_autoencoder_is_refused(asked, tiny, tmp_path, capsys):
    write_cache(tmp_path / "other", clips=1, config=tiny, vae="0123456789ab")
    assert main(words(asked | {"--cache": str(tmp_path / "other")})) == 2
    assert "was encoded by another autoencoder (0123456789ab)" in capsys.readouterr().err


def test_a_checkpoint_of_another_shape_leaves_the_out_folder_free(asked, tmp_path, capsys):
    """So that the launch configuration can be put right, and the same command given again."""
    (tmp_path / "launch.toml").write_text(LAUNCH + "[model.mjd]\nffn_dim = 64\n")
    assert main(words(asked)) == 2
    assert "ffn_dim is 192, expected 64" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
