"""A small random checkpoint in the layout of Wan2.2-TI2V-5B-Diffusers, at the sizes of the preset ``nano``; fixture: ``wan_folder``.

It has transformer/, vae/ (Wan2.2's shape: residual, patches of 2 x 2 pixels, stride (4, 16, 16)), text_encoder/, tokenizer/, scheduler/ and
model_index.json, which like the published one names the pipeline without an image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from disk_cache import cached_folder

SPECIAL = ("<pad>", "</s>", "<unk>")
"""The first ids of the tokenizer, as T5's."""

INDEX = {
    "_class_name": "WanPipeline", "_diffusers_version": "0.35.0.dev0", "boundary_ratio": None, "expand_timesteps": True,
    "scheduler": ["diffusers", "UniPCMultistepScheduler"], "text_encoder": ["transformers", "UMT5EncoderModel"],
    "tokenizer": ["transformers", "T5TokenizerFast"], "transformer": ["diffusers", "WanTransformer3DModel"], "transformer_2": [None, None],
    "vae": ["diffusers", "AutoencoderKLWan"],
}  # fmt: skip
"""The values of the published index."""


@pytest.fixture(scope="session")
def wan_folder() -> Path:
    """The checkpoint that tests share; change a copy of it only (shutil.copytree)."""
    name = "Wan2.2-TI2V-tiny-Diffusers"
    return cached_folder("wan", "seed 0", lambda folder: write_checkpoint(folder / name)) / name


def write_checkpoint(folder: Path, seed: int = 0) -> None:
    """Write all parts and the index into a folder."""
    write_transformer(folder, seed)
    write_vae(folder, seed)
    write_text_encoder(folder, seed)
    write_tokenizer(folder)
    write_scheduler(folder)
    (folder / "model_index.json").write_text(json.dumps(INDEX, indent=1))


def transformer_config() -> dict[str, Any]:
    """Return the arguments of WanTransformer3DModel at nano's sizes."""
    from reference_model.config import preset

    mjd = preset("nano").mjd
    names = (
        "num_attention_heads",
        "attention_head_dim",
        "in_channels",
        "text_dim",
        "freq_dim",
        "ffn_dim",
        "num_layers",
        "eps",
        "patch_size",
    )
    return {name: getattr(mjd, name) for name in names} | {"out_channels": mjd.in_channels}


def write_transformer(folder: Path, seed: int = 0, *, max_shard_size: str = "10GB", **changed: Any) -> None:
    """Write transformer/ in one file, or in shards if ``max_shard_size`` is small; ``changed`` overrides arguments of the model."""
    import torch
    from diffusers import WanTransformer3DModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = WanTransformer3DModel(**transformer_config() | changed)
    _add_noise(model, seed)
    model.save_pretrained(folder / "transformer", max_shard_size=max_shard_size)


def write_vae(folder: Path, seed: int = 0) -> None:
    """Write vae/, with latents_mean and latents_std other than 0 and 1."""
    import torch
    from diffusers import AutoencoderKLWan

    draw = torch.Generator().manual_seed(seed)
    z_dim = transformer_config()["in_channels"]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoencoderKLWan(
            base_dim=8, decoder_base_dim=8, z_dim=z_dim, dim_mult=[1, 2, 4, 4], num_res_blocks=1,
            temperal_downsample=[False, True, True], is_residual=True, in_channels=12, out_channels=12, patch_size=2,
            scale_factor_temporal=4, scale_factor_spatial=16,
            latents_mean=torch.randn(z_dim, generator=draw).tolist(),
            latents_std=(0.5 + torch.rand(z_dim, generator=draw)).tolist(),
        )  # fmt: skip
    _add_noise(model, seed)
    model.save_pretrained(folder / "vae")


def write_text_encoder(folder: Path, seed: int = 0) -> None:
    """Write text_encoder/: umT5 with nano's text_dim; like Wan's, it stores one embedding table and says tie_word_embeddings false."""
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    config = UMT5Config(
        vocab_size=len(pieces()), d_model=transformer_config()["text_dim"], d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        relative_attention_num_buckets=8, relative_attention_max_distance=32, tie_word_embeddings=False,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = UMT5EncoderModel(config)
    model.set_input_embeddings(model.shared)
    model.save_pretrained(folder / "text_encoder")


def pieces() -> list[tuple[str, float]]:
    """Return the tokenizer's pieces with log probabilities: each word of the synthetic clips' prompts, and single characters."""
    from hoibench.datasets.synthetic.catalogue import catalogue
    from hoibench.datasets.taco.protocol import build_prompt

    words = sorted({word for triplet in catalogue().triplets for word in build_prompt(triplet).split()})
    characters = [chr(code) for code in range(33, 127)]
    known = [f"▁{word}" for word in words]
    return (
        [(piece, 0.0) for piece in SPECIAL]
        + [(piece, -2.0) for piece in known]
        + [(piece, -10.0) for piece in ["▁", *characters] if piece not in known]
    )


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer/: a Unigram model in T5's files that ends each sequence with </s>."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    tokenizer = Tokenizer(models.Unigram(pieces(), unk_id=SPECIAL.index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", SPECIAL.index("</s>"))]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    out = folder / "tokenizer"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    settings = {
        "tokenizer_class": "T5Tokenizer", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>",
        "extra_ids": 0, "model_max_length": 512,
    }  # fmt: skip
    (out / "tokenizer_config.json").write_text(json.dumps(settings, indent=1))


def write_scheduler(folder: Path) -> None:
    """Write scheduler/ with the values that diffusers' conversion of Wan's weights gives it."""
    from diffusers import UniPCMultistepScheduler

    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0
    )
    scheduler.save_pretrained(folder / "scheduler")


def _add_noise(model: Any, seed: int) -> None:
    """Add noise to each parameter, so that none is zero, one, or equal to another."""
    import torch

    draw = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=draw))
