"""The parts of a Wan2.2-TI2V-5B-Diffusers checkpoint, from a local folder: its transformer as the start of MJD, and its video autoencoder."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel

from reference_model.config import MJDConfig, SyncMV4DConfig
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.model_folder import DOWNLOAD, REPOSITORY, Weights, fill, open_weights, part, read_config

_STEM = "diffusion_pytorch_model"
_SAME = (
    "num_attention_heads", "attention_head_dim", "in_channels", "text_dim", "freq_dim", "ffn_dim", "num_layers", "eps", "patch_size",
)  # fmt: skip
_ORIGINAL = (
    f"the layout of Wan's own code, not that of diffusers. Use {REPOSITORY} ({DOWNLOAD}),"
    " or convert with diffusers' scripts/convert_wan_to_diffusers.py --model_type Wan2.2-TI2V-5B --output_path FOLDER"
)


def load_mjd(folder: Path, config: SyncMV4DConfig, *, dtype: torch.dtype = torch.float32) -> MultiViewJointDiffusion:
    """MJD with the weights of a folder, each read once: Wan2.2's, from which the rest is inherited, or those of a saved MJD.

    Args:
        folder: a checkpoint of Wan2.2-TI2V-5B-Diffusers, or what ``MultiViewJointDiffusion.save_pretrained`` wrote.
        config: the model to build; the folder must be of the same shape.
        dtype: of the weights; those of ``MultiViewJointDiffusion._keep_in_fp32_modules`` stay float32.

    Raises:
        FileNotFoundError: the folder, its configuration, its weights or a shard is missing.
        ValueError: another shape or layout, missing or extra weights (all listed), a truncated file, NaN.
    """
    where = _model_folder(Path(folder))
    stored = read_config(where)
    trained = stored.get("_class_name") == MultiViewJointDiffusion.__name__
    _check_config(where, stored, config.mjd, trained)
    weights = open_weights(where, _STEM)
    with torch.device("meta"):
        model = MultiViewJointDiffusion(**dataclasses.asdict(config.mjd))
    new = frozenset() if trained else model.new_parameters()
    hint = "" if trained else _layout_hint(weights)
    fill(model, weights, new=new, dtype=dtype, in_fp32=model._keep_in_fp32_modules, hint=hint)
    if not trained:
        model.inherit()
    return model.eval()


def load_vae(folder: Path) -> AutoencoderKLWan:
    """The frozen video autoencoder in the subfolder vae/ of a Wan2.2-TI2V-5B-Diffusers checkpoint, float32.

    Raises:
        FileNotFoundError: the subfolder, its configuration or its weights are missing.
        ValueError: another model, broken files, or latents_mean and latents_std that normalise nothing.
    """
    where = part(folder, "vae")
    stored = read_config(where)
    _check_class(where, stored, AutoencoderKLWan.__name__)
    with torch.device("meta"):
        vae = AutoencoderKLWan.from_config(stored)
    _check_moments(where, vae.config)
    fill(vae, open_weights(where, _STEM))
    return vae.eval().requires_grad_(False)


def check_vae(vae: AutoencoderKLWan, config: SyncMV4DConfig, where: Path) -> None:
    """Raise unless the autoencoder's latents are those that a model takes.

    Raises:
        ValueError: other channels or strides; names the folder ``where`` it was read.
    """
    space = vae.config.scale_factor_spatial
    found = (vae.config.z_dim, vae.config.scale_factor_temporal, space, space)
    wanted = (config.mjd.in_channels, *config.vae.stride)
    if found != wanted:
        raise ValueError(
            f"{where} has (channels, *stride) {found}, the preset {wanted}: give the preset's own checkpoint"
        )


def _model_folder(folder: Path) -> Path:
    """Where the weights of MJD or of Wan's transformer lie."""
    if (folder / "config.json").is_file():
        name = read_config(folder).get("_class_name")
        if name in (MultiViewJointDiffusion.__name__, WanTransformer3DModel.__name__):
            return folder
        if name == "WanModel":
            raise ValueError(f"{folder} is {_ORIGINAL}")
    return part(folder, "transformer")


def _check_config(folder: Path, stored: Mapping[str, Any], mjd: MJDConfig, trained: bool) -> None:
    if trained:
        expected = dataclasses.asdict(mjd)
        found = {name: stored.get(name) for name in expected}
    else:
        _check_class(folder, stored, WanTransformer3DModel.__name__)
        expected = _wan_arguments(mjd)
        defaults = inspect.signature(WanTransformer3DModel.__init__).parameters
        found = {name: stored.get(name, defaults[name].default) for name in expected}
    if problems := list(_unlike(expected, found)):
        raise ValueError(
            f"{folder / 'config.json'} is of another model than was asked for:\n  " + "\n  ".join(problems)
        )


def _wan_arguments(mjd: MJDConfig) -> dict[str, Any]:
    """The arguments of the WanTransformer3DModel from which such a model inherits."""
    return {name: getattr(mjd, name) for name in _SAME} | {
        "out_channels": mjd.in_channels,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "image_dim": None,
        "added_kv_proj_dim": None,
        "pos_embed_seq_len": None,
    }


def _unlike(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name, wanted in expected.items():
        value = tuple(found[name]) if isinstance(found[name], list) else found[name]
        if value != wanted:
            yield (
                f"trained for V={value}, asked for V={wanted}"
                if name == "views"
                else f"{name} is {value!r}, expected {wanted!r}"
            )


def _check_class(folder: Path, stored: Mapping[str, Any], expected: str) -> None:
    if stored.get("_class_name") != expected:
        raise ValueError(
            f"{folder / 'config.json'}: _class_name is {stored.get('_class_name')!r}, expected {expected!r}. Download it: {DOWNLOAD}"
        )


def _layout_hint(weights: Weights) -> str:
    original = any(".self_attn." in name or name.startswith("head.") for name in weights.all_shapes())
    return f"\nThis is {_ORIGINAL}" if original else f"\nExpected {REPOSITORY}: {DOWNLOAD}"


def _check_moments(folder: Path, config: Mapping[str, Any]) -> None:
    mean, std = config["latents_mean"], config["latents_std"]
    if not len(mean) == len(std) == config["z_dim"] or not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        raise ValueError(
            f"{folder / 'config.json'}: latents_mean {mean} and latents_std {std} are not {config['z_dim']} numbers each, the latter positive."
            f" Download it: {DOWNLOAD}"
        )
