import json
import shutil
import subprocess
import sys

import pytest
import torch
from diffusers import WanPipeline
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from reference_model.loading.text_encoder import clean_prompt, load_text_encoder

PROMPTS = ("use the spoon to stir in the bowl", "", "a zebra &amp;  an  ox")


@pytest.fixture(scope="module")
def encoder(wan_folder):
    return load_text_encoder(wan_folder, dtype=torch.float32)


@pytest.fixture
def copy(wan_folder, tmp_path):
    for name in ("text_encoder", "tokenizer"):
        shutil.copytree(wan_folder / name, tmp_path / name)
    return tmp_path


def test_equals_diffusers_pipeline(encoder):
    pipeline = WanPipeline(encoder.tokenizer, encoder.model, vae=None, scheduler=None)
    with torch.no_grad():
        expected = pipeline._get_t5_prompt_embeds(list(PROMPTS), max_sequence_length=20, device="cpu")
    torch.testing.assert_close(encoder.embed(PROMPTS, 20), expected, atol=1e-5, rtol=1e-5)


def test_padding_only_is_zero(encoder):
    embeddings = encoder.embed(PROMPTS, 20)
    assert embeddings.shape == (3, 20, 32)
    assert embeddings.dtype == torch.float32
    lengths = [len(encoder.tokenizer(clean_prompt(prompt)).input_ids) for prompt in PROMPTS]
    assert lengths[:2] == [9, 1], "eight words and the end token; the end token only"
    for row, length in zip(embeddings, lengths, strict=True):
        assert (row[:length].abs().amax(dim=1) > 0).all()
        assert not row[length:].any()


def test_an_embedding_depends_on_its_prompt_only(encoder):
    together = encoder.embed(PROMPTS, 20)
    for prompt, row in zip(PROMPTS, together, strict=True):
        assert torch.equal(encoder.embed([prompt], 20)[0], row)
    assert torch.equal(encoder.embed(PROMPTS, 32)[:, :20], together)


def test_no_prompts(encoder):
    assert encoder.embed([], 7).shape == (0, 7, 32)


def test_long_prompts_are_rejected_not_truncated(encoder):
    fits = " ".join(["spoon"] * 15)
    assert encoder.embed([fits], 16)[0, 15].any()
    with pytest.raises(ValueError, match=r"'spoon spoon .*\.\.\.' has 17 tokens, the model takes at most 16"):
        encoder.embed(["bowl", fits + " spoon"], 16)


def test_a_long_prompt_gives_an_error_without_a_warning(wan_folder):
    """A new process is needed, since a tokenizer warns once."""
    script = (
        "import sys; from reference_model.loading.text_encoder import load_text_encoder\n"
        "load_text_encoder(sys.argv[1]).embed(['spoon ' * 600], 512)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(wan_folder)], capture_output=True, text=True, check=False)
    assert "has 601 tokens, the model takes at most 512" in done.stderr
    assert "sequence length" not in done.stderr


def test_short_prompts_are_quoted_in_full(encoder):
    with pytest.raises(ValueError, match="the prompt 'use the spoon' has 4 tokens"):
        encoder.embed(["use the spoon"], 3)


@given(st.text() | st.text(alphabet="a &;#lgtamp\t\u00a0\u2003\x1c10Ã©"))
def test_cleans_as_diffusers(text):
    assert clean_prompt(text) == prompt_clean(text)


def test_cleaning_golden():
    assert clean_prompt("  the\n cup&amp;amp;\tthe cafÃ© ") == "the cup& the café"
    assert clean_prompt("spoon &amp;amp; <cup>") == "spoon & <cup>", (
        "resolved twice, since ftfy skips entities in text with tags"
    )


def test_bfloat16_by_default_and_frozen(wan_folder, encoder):
    half = load_text_encoder(wan_folder)
    assert {each.dtype for each in half.model.parameters()} == {torch.bfloat16}
    assert not half.model.training
    assert not any(each.requires_grad for each in half.model.parameters())
    embeddings = half.embed(PROMPTS, 20)
    assert embeddings.dtype == torch.float32
    torch.testing.assert_close(embeddings, encoder.embed(PROMPTS, 20), atol=0.1, rtol=0.05)


def test_embedding_table_equals_the_file(encoder, wan_folder):
    stored = load_file(wan_folder / "text_encoder" / "model.safetensors")
    assert torch.equal(encoder.model.encoder.embed_tokens.weight, stored["shared.weight"])
    assert encoder.model.encoder.embed_tokens.weight.std() > 0.1


def test_a_second_copy_of_the_embedding_table_is_accepted(copy, encoder):
    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors | {"encoder.embed_tokens.weight": tensors["shared.weight"].clone()}, path)
    assert torch.equal(load_text_encoder(copy, dtype=torch.float32).embed(PROMPTS, 20), encoder.embed(PROMPTS, 20))


@pytest.mark.parametrize("name", ["text_encoder", "tokenizer"])
def test_a_missing_folder_of_the_text_encoder_is_an_error(copy, name):
    shutil.rmtree(copy / name)
    with pytest.raises(
        FileNotFoundError, match=rf"{name}: no such folder.*hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers"
    ):
        load_text_encoder(copy)


def test_another_encoder(copy):
    path = copy / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "t5"}))
    with pytest.raises(ValueError, match=r"config.json: model_type is 't5', expected 'umt5'"):
        load_text_encoder(copy)


def test_missing_tensor(copy):
    path = copy / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    del tensors["shared.weight"]
    save_file(tensors, path)
    with pytest.raises(ValueError, match=r"\(1 problem\):\n  missing: shared.weight \(\d+, 32\)\n.*hf download"):
        load_text_encoder(copy)


@pytest.mark.parametrize(("name", "value"), [("d_model", "a"), ("num_layers", None), ("num_heads", "x"), ("d_ff", -1)])
def test_config_values_of_another_type(copy, name, value):
    path = copy / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(ValueError, match=r"config.json describes no valid model \(.*hf download") as error:
        load_text_encoder(copy)
    assert str(path) in str(error.value)
    assert value == -1 or f"'{name}'" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_tokenizer_without_its_settings(copy):
    (copy / "tokenizer" / "tokenizer_config.json").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"tokenizer_config.json: no such file.*Copy or download it again; for Wan: hf download"
    ):
        load_text_encoder(copy)


def test_a_tokenizer_without_its_vocabulary(copy):
    (copy / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=r"tokenizer has neither tokenizer.json nor spiece.model.*Copy or download it again; for Wan: hf download",
    ):
        load_text_encoder(copy)


def test_damaged_tokenizer(copy):
    (copy / "tokenizer" / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer has no readable tokenizer.*Copy or download it again"):
        load_text_encoder(copy)


def test_tokenizer_of_another_checkpoint(copy):
    path = copy / "tokenizer" / "tokenizer.json"
    settings = json.loads(path.read_text())
    settings["model"]["vocab"].append(["▁more", -3.0])
    path.write_text(json.dumps(settings))
    with pytest.raises(ValueError, match="from different checkpoints"):
        load_text_encoder(copy)
