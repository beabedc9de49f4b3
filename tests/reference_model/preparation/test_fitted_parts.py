"""The preset micro is prepared with an autoencoder fitted to its clips and a table of the words in their prompts."""

import shutil

import pytest
import torch

from hoibench.datasets.synthetic.dataset import SyntheticDataset
from reference_model.cache import LatentCache
from reference_model.cache.settings import parts_folder
from reference_model.config import preset
from reference_model.loading.text_encoder import load_text_encoder
from reference_model.loading.text_table import unknown_prompt
from reference_model.preparation.view_groups import clip_prompt
from reference_model.prepare import main as prepare
from reference_model.train import main as train

MICRO = preset("micro")


@pytest.fixture(scope="module")
def options(train_root):
    return [
        "--preset", "micro", "--dataset", "synthetic", "--root", str(train_root), "--limit", "1", "--size", "64,96",
        "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def cache(options, tmp_path_factory):
    """The folder of a cache of one clip."""
    out = tmp_path_factory.mktemp("micro") / "cache"
    assert prepare([*options, "--out", str(out)]) == 0
    return out


def test_latents_of_the_clips_have_mean_square_1(cache):
    """Those of the autoencoder that was fitted to the same clip: videos and pseudo-videos each with their own."""
    opened = LatentCache(cache)
    (clip,) = opened.clips
    views = [opened.load(clip, view.id) for view in opened.views(clip)]
    for name in ("z_video", "z_motion"):
        z = torch.stack([getattr(view, name) for view in views])
        assert z.shape == (3, 48, 7, 8, 12)
        assert abs(z.square().mean() - 1) < 1e-3


def test_the_same_command_resumes_and_fits_lost_parts_again(cache, options, contents, tmp_path):
    copy = shutil.copytree(cache, tmp_path / "cache")
    next((copy / "views").rglob("*.safetensors")).unlink()
    weights = parts_folder(copy) / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert prepare([*options, "--out", str(copy)]) == 0
    assert contents(copy) == contents(cache)


def test_another_cache_takes_the_same_parts(cache, options, contents, tmp_path):
    assert prepare([*options, "--wan", str(parts_folder(cache)), "--out", str(tmp_path / "other")]) == 0
    shared = {path: data for path, data in contents(cache).items() if path.parts[0] != "parts"}
    assert contents(tmp_path / "other") == shared


def test_training_says_how_to_get_lost_parts(cache, tmp_path, capsys):
    copy = shutil.copytree(cache, tmp_path / "cache")
    shutil.rmtree(parts_folder(copy))
    launch = tmp_path / "launch.toml"
    launch.write_text('[[stages]]\nname = "loop"\nobjective = "joint"\niterations = 1\nsize = [64, 96]\n')
    words = ["--preset", "micro", "--cache", copy, "--launch", launch, "--out", tmp_path / "run"]
    assert train([*map(str, words), "--device", "cpu"]) == 2
    message = (
        f"{parts_folder(copy)} is missing or damaged, and is fitted to clips: run python -m reference_model.prepare"
    )
    assert message in capsys.readouterr().err


@pytest.fixture(scope="module")
def encoder(cache):
    return load_text_encoder(parts_folder(cache), dtype=torch.float32)


def test_vectors_of_words_and_positions_are_orthogonal(encoder):
    table = encoder.model
    vectors = torch.cat([table.shared.weight, table.of_position.weight])
    assert len(vectors) == len(encoder.tokenizer) + MICRO.text_tokens <= MICRO.mjd.text_dim
    torch.testing.assert_close(vectors @ vectors.mT, 32 * torch.eye(len(vectors)), atol=1e-4, rtol=0)


def test_a_prompt_has_the_sum_of_word_and_position(encoder):
    empty, one, other = encoder.embed(["", "brush the bowl", "the Bowl brush"], 16)
    assert not empty.any() and not one[3:].any()
    word, position = encoder.model.shared.weight, encoder.model.of_position.weight
    torch.testing.assert_close(one[1] - position[1], other[0] - position[0])
    torch.testing.assert_close(one[2], word[encoder.tokenizer("bowl").input_ids[0]] + position[2])


def test_words_of_held_out_triplets_are_unknown(encoder, train_root):
    """The vocabulary is that of the whole split, not of the clips that were prepared."""
    dataset = SyntheticDataset.open(train_root)
    trained, unseen = (
        {word for entry in dataset.manifest(split).entries for word in clip_prompt(entry).split()}
        for split in ("train", "test_unseen")
    )
    assert {"hammer", "measure"} <= unseen - trained
    known = encoder.embed(sorted(trained | unseen), 16)[:, 0]
    unknown = encoder.embed([unknown_prompt(16)], 16)[0]
    for word, vector in zip(sorted(trained | unseen), known, strict=True):
        assert torch.equal(vector, unknown[0]) == (word not in trained)
    assert unknown.any(dim=-1).all()


def test_the_cache_has_a_prompt_of_unknown_words_for_word_dropout(cache, encoder):
    opened = LatentCache(cache)
    expected = encoder.embed([unknown_prompt(16)], 16)[0]
    torch.testing.assert_close(opened.text(unknown_prompt(16)), expected, atol=0.02, rtol=0.01)  # bfloat16
    assert not opened.text("").any()
