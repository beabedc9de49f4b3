"""WAN2.2 TI2V-5B through a small random checkpoint of its shape; the published weights are not tested."""

import dataclasses
import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from einops import rearrange
from requests_for_models import small_request

from baselines.wan22.adapter import Wan22, load_pipeline
from hoibench.cli.run import main as run
from hoibench.methods.check import check_outputs, check_prediction
from hoibench.methods.entrants import select_entrants
from hoibench.methods.method import Runtime
from hoibench.methods.registry import load_method
from hoibench.predictions import read_prediction, write_prediction
from hoibench.results.score_file import read_scores

REQUEST = small_request(anchors=None)
ONE_VIEW = dataclasses.replace(REQUEST, views=REQUEST.views[:1])


def entrant(folder, *settings):
    (found,) = select_entrants(["wan22"], settings=[f"wan22.checkpoint={folder}", "wan22.steps=2", *settings])
    return found


def load(folder, *settings, **runtime):
    return load_method(entrant(folder, *settings), Runtime(**runtime))


@pytest.fixture(scope="module")
def method(wan_folder):
    return load(wan_folder)


@pytest.fixture(scope="module")
def recorded(method):
    """The inputs of the networks while one view is generated, and the prediction."""
    networks = method.pipeline.components
    seen = SimpleNamespace(transformer=[], timesteps=[], patches=[], decoded=[], prompts=[])

    def on_transformer(module, arguments, named):
        seen.transformer.append(named["hidden_states"].clone())
        seen.timesteps.append(named["timestep"].clone())

    encode_prompt = method.pipeline.encode_prompt

    def record_prompt(**named):
        seen.prompts.append((named["prompt"], named["negative_prompt"]))
        return encode_prompt(**named)

    vae = networks["vae"]
    hooks = [
        networks["transformer"].register_forward_pre_hook(on_transformer, with_kwargs=True),
        vae.encoder.register_forward_pre_hook(lambda module, inputs: seen.patches.append(inputs[0].clone())),
        vae.post_quant_conv.register_forward_pre_hook(lambda module, inputs: seen.decoded.append(inputs[0].clone())),
    ]
    method.pipeline.encode_prompt = record_prompt
    seen.prediction = method.generate(ONE_VIEW)
    del method.pipeline.encode_prompt
    for hook in hooks:
        hook.remove()
    return seen


def pixels(request):
    """The reference image of the first view as the networks see it, (1, 3, 1, H, W) in [-1, 1]."""
    return torch.from_numpy(request.views[0].image.copy()).permute(2, 0, 1)[None, :, None] / 127.5 - 1


@pytest.mark.timeout(900)  # seconds of one core, which may be shared
def test_from_the_command_line_to_rows(wan_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = "--dataset synthetic --limit 1 --metrics dynamic_degree/dis --device cpu --out r --json"
    values = {"checkpoint": wan_folder, "steps": 1, "min_gpu_mb": 0}
    settings = [word for key, value in values.items() for word in ("--set", f"wan22.{key}={value}")]
    assert run(["--method", "wan22", *settings, *words.split(), "--executor", "inline"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["failures"] == []
    (folder,) = (tmp_path / "r" / "predictions" / "wan22" / "seed-0").iterdir()
    prediction = read_prediction(folder)
    assert len(prediction.video) == 3 and prediction.provenance["engine"]["diffusers"].startswith("0.")
    (scores,) = (tmp_path / "r" / "scores" / "wan22" / "seed-0").glob("*.jsonl")
    (rows,) = read_scores(scores).values()
    assert len({row.view for row in rows if row.view}) == 3 and {row.status for row in rows} == {"ok"}


def test_a_prediction_has_a_video_for_each_view(method):
    prediction = method.generate(REQUEST)
    check_outputs(prediction, method.spec)
    check_prediction(prediction, REQUEST)
    facts = dict(prediction.provenance)
    assert facts.pop("engine").keys() == {"diffusers", "transformers"}
    assert facts.pop("negative_prompt") == method.spec.settings["negative_prompt"].default
    assert facts == {
        "precision": "fp32", "size": [64, 96], "frames": 5, "seeds": "the same for each view", "steps": 2, "guidance": 5.0, "flow_shift": 3.0,
    }  # fmt: skip


def test_the_seed_decides_every_byte(method, recorded, tmp_path):
    def write(prediction, name):
        write_prediction(tmp_path / name, prediction, 8.0)
        return (tmp_path / name / "view-0.mp4").read_bytes()

    torch.manual_seed(99)  # the global generator is not used
    first = write(recorded.prediction, "first")
    assert write(method.generate(ONE_VIEW), "again") == first
    assert write(method.generate(dataclasses.replace(ONE_VIEW, seed=4)), "other") != first


def test_the_first_latent_frame_is_that_of_the_image_and_latents_are_decoded_with_their_mean_and_deviation(
    method, recorded
):
    vae = method.pipeline.vae
    with torch.no_grad():
        encoded = vae.encode(pixels(ONE_VIEW)).latent_dist.mode()
    (decoded,) = recorded.decoded
    torch.testing.assert_close(decoded[:, :, :1], encoded, rtol=1e-4, atol=1e-4)
    mean, std = (
        torch.tensor(values).view(1, -1, 1, 1, 1) for values in (vae.config.latents_mean, vae.config.latents_std)
    )
    normalised = (encoded - mean) / std
    for latents in recorded.transformer:
        torch.testing.assert_close(latents[:, :, :1], normalised, rtol=1e-4, atol=1e-4)
    assert not vae.use_tiling and not vae.use_slicing, "colour_blocks: tiles differ from the plain decoder"


def test_scalar_timestep(recorded):
    """A port gave all tokens one time; those of the first frame have time 0."""
    tokens = 2 * (64 // 32) * (96 // 32)  # 2 latent frames
    for timestep in recorded.timesteps:
        assert timestep.shape == (1, tokens)
        assert (timestep[0, : tokens // 2] == 0).all() and (timestep[0, tokens // 2 :] > 0).all()
        assert timestep[0, tokens // 2 :].unique().numel() == 1


def test_swapped_patch_axes(recorded):
    """A port swapped rows and columns inside the autoencoder's patches; this is the order of Wan's own code."""
    wan = rearrange(pixels(ONE_VIEW), "b c f (h q) (w r) -> b (c r q) f h w", q=2, r=2)
    torch.testing.assert_close(recorded.patches[0], wan)


def test_the_official_negative_prompt_is_given(method, recorded):
    ((prompt, negative),) = recorded.prompts
    assert prompt == "brush the plate"
    assert hashlib.sha256(negative.encode()).hexdigest() == OFFICIAL


OFFICIAL = "ce96e0324e4b54ce4b6e867f669ca520952e1a34cc116543516b1897f0d3c47e"
"""SHA-256 of sample_neg_prompt in Wan-Video/Wan2.2, wan/configs/shared_config.py at 42bf4cf."""


@pytest.mark.parametrize(("size", "frames", "native"), [((48, 80), 6, ([32, 64], 9)), ((64, 96), 1, ([64, 96], 1))])
def test_sizes_are_floored_to_32_and_lengths_raised_to_4n_and_1(method, size, frames, native):
    images = [np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)]
    views = tuple(
        dataclasses.replace(view, image=image, camera=None) for view, image in zip(ONE_VIEW.views, images, strict=True)
    )
    prediction = method.generate(dataclasses.replace(ONE_VIEW, views=views, size=size, frames=frames))
    assert prediction.video.shape == (1, frames, *size, 3)
    assert (prediction.provenance["size"], prediction.provenance["frames"]) == native


def test_requests_that_do_not_fit_are_refused(method):
    with pytest.raises(ValueError, match=r"pictures of \(16, 96\), the model needs at least 32 x 32"):
        method.generate(dataclasses.replace(ONE_VIEW, size=(16, 96)))
    views = (dataclasses.replace(ONE_VIEW.views[0], image=None),)
    with pytest.raises(ValueError, match="view cam-left has no reference image"):
        method.generate(dataclasses.replace(ONE_VIEW, views=views))


def test_precision_and_schedule_of_the_parts(wan_folder):
    pipeline = load_pipeline(wan_folder, "bf16", 4.0)
    assert {p.dtype for p in pipeline.vae.parameters()} == {torch.float32}
    assert pipeline.text_encoder.dtype == torch.bfloat16
    block = pipeline.transformer.blocks[0]
    assert block.attn1.to_q.weight.dtype == torch.bfloat16
    assert {block.scale_shift_table.dtype, block.norm2.weight.dtype} == {torch.float32}
    assert pipeline.scheduler.config.flow_shift == 4.0 and pipeline.scheduler.config.use_flow_sigmas


def test_the_table_of_embeddings_is_the_stored_one(method, wan_folder):
    from safetensors.torch import load_file

    stored = load_file(wan_folder / "text_encoder" / "model.safetensors")
    (table,) = (stored[name] for name in ("shared.weight", "encoder.embed_tokens.weight") if name in stored)
    assert torch.equal(method.pipeline.text_encoder.encoder.embed_tokens.weight, table)


@pytest.mark.parametrize(
    ("part", "file"),
    [("transformer", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")],
)
def test_a_missing_weight_is_refused(wan_folder, tmp_path, part, file):
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "wan"
    shutil.copytree(wan_folder, folder)
    path = folder / part / f"{file}.safetensors"
    weights = load_file(path)
    removed = max(name for name in weights if "shared" not in name and "embed_tokens" not in name)
    del weights[removed]
    path.unlink()
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"{part} lacks 1 weights, e.g. {removed}"):
        load(folder)


def preflight(folder):
    return [str(problem) for problem in Wan22.preflight(entrant(folder), Runtime())]


def test_preflight_names_what_the_folder_lacks(wan_folder, tmp_path):
    assert preflight(wan_folder) == []
    assert preflight(tmp_path) == [
        f"{tmp_path} has no readable model_index.json, expected a copy of Wan2.2-TI2V-5B-Diffusers: "
        "hf download Wan-AI/Wan2.2-TI2V-5B-Diffusers --local-dir FOLDER"
    ]
    folder = tmp_path / "wan"
    shutil.copytree(wan_folder, folder)
    (folder / "vae" / "config.json").unlink()
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.unlink()
    index = {"weight_map": {"a": "diffusion_pytorch_model-00001-of-00002.safetensors"}}
    weights.with_name(f"{weights.name}.index.json").write_text(json.dumps(index))
    (lacks,) = preflight(folder)
    assert "lacks vae/config.json, transformer/diffusion_pytorch_model-00001-of-00002.safetensors: hf download" in lacks


def test_the_index_of_another_model_is_refused(wan_folder, tmp_path):
    folder = tmp_path / "wan"
    shutil.copytree(wan_folder, folder)
    path = folder / "model_index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"expand_timesteps": False}))
    with pytest.raises(ValueError, match="is WanPipeline with expand_timesteps False, expected that of the 5B model"):
        load(folder)
