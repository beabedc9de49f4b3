"""Models that need no Wan checkpoint: nano is prepared and trained with an autoencoder and a text table of its own; wan22_5b never is."""

import json
import shutil

import pytest
import torch

from reference_model.cache import LatentCache
from reference_model.cache.settings import parts_folder, weights_digest
from reference_model.config import preset
from reference_model.loading.folder import WAN_PARTS
from reference_model.loading.saved_model import load_model
from reference_model.loading.text_encoder import load_text_encoder
from reference_model.preparation.own_parts import write_random_parts
from reference_model.prepare import main as prepare
from reference_model.train import main as train

TRAINING = """
precision = "fp32"
gradient_checkpointing = false
[[stages]]
name = "loop"
objective = "joint"
iterations = 1
size = [64, 96]
"""


@pytest.fixture(scope="module")
def without_wan(train_root):
    """The options of ``arguments`` without --wan."""
    return [
        "--preset", "nano", "--dataset", "synthetic", "--root", str(train_root), "--limit", "1", "--size", "64,96",
        "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def own_cache(without_wan, tmp_path_factory):
    """A cache that was prepared without a Wan checkpoint."""
    out = tmp_path_factory.mktemp("own") / "cache"
    assert prepare([*without_wan, "--out", str(out)]) == 0
    return out


@pytest.fixture
def training(tmp_path):
    """Function that returns the options of a training on a cache."""

    def options(cache, *more):
        (tmp_path / "launch.toml").write_text(TRAINING)
        words = ["--preset", "nano", "--cache", cache, "--launch", tmp_path / "launch.toml", "--out", tmp_path / "run"]
        return [*map(str, words), "--device", "cpu", *more]

    return options


def test_the_latents_of_a_random_autoencoder_have_about_unit_scale(own_cache):
    cache = LatentCache(own_cache)
    (clip,) = cache.clips
    for view in cache.views(clip):
        loaded = cache.load(clip, view.id)
        for z in (loaded.z_video, loaded.z_motion):
            assert 0.5 < z.std() < 2 and abs(z.mean()) < 1


def test_own_parts_are_equal_each_time(own_cache, tmp_path):
    torch.manual_seed(7)
    write_random_parts(tmp_path, preset("nano"))
    after = torch.rand(1)
    assert weights_digest(tmp_path, *WAN_PARTS) == weights_digest(parts_folder(own_cache), *WAN_PARTS)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))


def test_a_text_table_has_a_vector_for_each_word_of_the_prompts(own_cache, caplog):
    encoder = load_text_encoder(parts_folder(own_cache))
    empty, known, capital, unknown, other = encoder.embed(["", "brush the bowl", "Brush", "xyzzy the", "plugh"], 16)
    assert not empty.any()
    assert known[:3].norm(dim=-1).min() > 1 and not known[3:].any()
    assert torch.equal(capital[0], known[0]) and torch.equal(unknown[1], known[1])
    assert torch.equal(unknown[0], other[0]) and unknown[0].any() and not torch.equal(unknown[0], known[0])
    shown = [record.getMessage().partition(": ")[2] for record in caplog.records]
    assert shown == ["xyzzy", "plugh"], "the words that the table does not have, of each prompt"


def test_the_trained_model_has_its_own_parts_also_if_the_cache_lost_one(own_cache, training, tmp_path):
    damaged = shutil.copytree(own_cache, tmp_path / "cache")
    shutil.rmtree(parts_folder(damaged) / "text_encoder")
    assert train(training(damaged)) == 0
    folder = tmp_path / "run/model"
    assert weights_digest(folder, *WAN_PARTS) == weights_digest(parts_folder(own_cache), *WAN_PARTS)
    assert json.loads((tmp_path / "run/run.json").read_text())["start"] == "random"
    loaded = load_model(folder)  # no Wan checkpoint is given
    cache = LatentCache(own_cache)
    (clip,) = cache.clips
    prompt = cache.load(clip, cache.views(clip)[0].id).prompt
    assert torch.equal(loaded.text_encoder.embed([prompt], 16)[0], cache.text(prompt))


def test_the_papers_model_needs_wans_parts(without_wan, own_cache, training, tmp_path, capsys):
    words = [*without_wan, "--out", str(tmp_path / "out")]
    words[words.index("nano")] = "wan22_5b"
    assert prepare(words) == 2
    assert (
        "preset wan22_5b needs --wan FOLDER, a copy of Wan2.2-TI2V-5B-Diffusers: hf download" in capsys.readouterr().err
    )
    assert not (tmp_path / "out").exists()
    words = training(own_cache)
    words[words.index("nano")] = "wan22_5b"
    assert train(words) == 2
    assert "preset wan22_5b needs --wan FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_cache_made_with_a_wan_checkpoint_needs_it_again(without_wan, prepared_cache, training, tmp_path, capsys):
    cache = shutil.copytree(prepared_cache, tmp_path / "cache")
    assert prepare([*without_wan, "--out", str(cache)]) == 2
    message = f"{cache} was prepared with other parts than this model makes: give the --wan that it was prepared with"
    assert message in capsys.readouterr().err
    assert train(training(cache)) == 2
    assert message in capsys.readouterr().err
    assert not parts_folder(cache).exists() and not (tmp_path / "run").exists()


def test_a_cache_made_without_a_wan_checkpoint_refuses_one(own_cache, wan_folder, training, capsys):
    assert train(training(own_cache, "--wan", str(wan_folder))) == 2
    assert "was encoded by another autoencoder" in capsys.readouterr().err
    assert train(training(own_cache, "--initial", "wan")) == 2
    assert "--initial wan needs --wan FOLDER" in capsys.readouterr().err


def test_the_same_command_resumes(own_cache, without_wan, contents, tmp_path):
    cache = shutil.copytree(own_cache, tmp_path / "cache")
    next((cache / "views").rglob("*.safetensors")).unlink()
    assert prepare([*without_wan, "--out", str(cache)]) == 0
    assert contents(cache) == contents(own_cache)


@pytest.mark.parametrize("lost", ["", "text_encoder", "vae/config.json"])
def test_parts_that_are_missing_are_made_again(lost, own_cache, without_wan, contents, tmp_path, capsys):
    cache = shutil.copytree(own_cache, tmp_path / "cache")
    path = parts_folder(cache) / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert prepare([*without_wan, "--out", str(cache)]) == 0
    assert contents(cache) == contents(own_cache)
    assert "views: 0 created, 3 skipped" in capsys.readouterr().out


@pytest.mark.parametrize("damaged", ["vae/diffusion_pytorch_model.safetensors", "tokenizer/tokenizer.json"])
def test_damaged_parts_are_made_again(damaged, own_cache, without_wan, contents, tmp_path):
    cache = shutil.copytree(own_cache, tmp_path / "cache")
    path = parts_folder(cache) / damaged
    path.write_bytes(path.read_bytes()[:100])
    assert prepare([*without_wan, "--out", str(cache)]) == 0
    assert contents(cache) == contents(own_cache)


def test_parts_that_cannot_be_made_again_are_kept(own_cache, without_wan, contents, tmp_path, capsys):
    """As with parts that another version of PyTorch made, one of whose files was lost."""
    cache = shutil.copytree(own_cache, tmp_path / "cache")
    settings = cache / "cache.json"
    settings.write_text(settings.read_text().replace(weights_digest(parts_folder(cache), "vae"), "0123456789ab"))
    before = contents(cache)
    assert prepare([*without_wan, "--out", str(cache)]) == 2
    assert f"or if none, restore {parts_folder(cache)}" in capsys.readouterr().err
    assert contents(cache) == before
