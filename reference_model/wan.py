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
from reference_model.model_config import AGAIN, DOWNLOAD, REPOSITORY, built, check_arguments, part, read_config
from reference_model.model_folder import Weights, compare, fill, open_weights

_STEM = "diffusion_pytorch_model"
_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
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
        TypeError: ``config`` is no SyncMV4DConfig, or ``dtype`` no torch.dtype.
        ValueError: another shape or layout, missing or extra weights (all listed), a truncated file, NaN, a dtype that no weights have.
    """
    _check_dtype(dtype)
    model, weights, new = open_mjd(folder, config)
    fill(model, weights, new=new, dtype=dtype, in_fp32=model._keep_in_fp32_modules)
    if new:
        model.inherit()
    return model.eval()


def open_mjd(folder: Path, config: SyncMV4DConfig) -> tuple[MultiViewJointDiffusion, Weights, frozenset[str]]:
    """MJD on the meta device, the weights of a folder, whose names and shapes are right, and the names that are to be inherited; none is read.

    Raises as ``load_mjd``.
    """
    _check_config_type(config)
    where = _model_folder(Path(folder))
    stored = read_config(where)
    trained = stored.get("_class_name") == MultiViewJointDiffusion.__name__
    _check_config(where, stored, config.mjd, trained)
    weights = open_weights(where, _STEM)
    with torch.device("meta"):
        model = MultiViewJointDiffusion(**dataclasses.asdict(config.mjd))
    new = frozenset() if trained else model.new_parameters()
    compare(model, weights, new=new, hint=f"\n{AGAIN}" if trained else _layout_hint(weights))
    return model, weights, new


def load_vae(folder: Path) -> AutoencoderKLWan:
    """The frozen video autoencoder in the subfolder vae/ of a Wan2.2-TI2V-5B-Diffusers checkpoint, float32.

    Raises:
        FileNotFoundError: the subfolder, its configuration or its weights are missing.
        ValueError: another model, broken files, or latents_mean and latents_std that normalise nothing.
    """
    vae, weights = open_vae(folder)
    fill(vae, weights)
    return vae.eval().requires_grad_(False)


def open_vae(folder: Path) -> tuple[AutoencoderKLWan, Weights]:
    """The video autoencoder on the meta device, and its weights, whose names and shapes are right; none is read.  Raises as ``load_vae``."""
    where = part(folder, "vae")
    stored = read_config(where)
    _check_class(where, stored, AutoencoderKLWan.__name__)
    check_arguments(where, stored, AutoencoderKLWan)
    with torch.device("meta"):
        vae = built(where, lambda: AutoencoderKLWan.from_config(stored))
    _check_moments(where, vae.config)
    weights = open_weights(where, _STEM)
    compare(vae, weights)
    return vae, weights


def _check_config_type(config: Any) -> None:
    if not isinstance(config, SyncMV4DConfig):
        raise TypeError(
            f"config is {type(config).__name__} {config!r}: expected a SyncMV4DConfig, such as reference_model.config.preset('nano')"
        )


def _check_dtype(dtype: Any) -> None:
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"dtype is {type(dtype).__name__} {dtype!r}: expected a torch.dtype, such as torch.bfloat16")
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype}: expected one of {', '.join(map(str, _DTYPES))}")


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
        defaults = _defaults(WanTransformer3DModel)
        found = {name: stored.get(name, defaults[name]) for name in expected}
    if problems := list(_unlike(expected, found)):
        raise ValueError(
            f"{folder / 'config.json'} is of another model than was asked for:\n  "
            + "\n  ".join(problems)
            + f"\nGive the configuration that it has, or the folder of the model asked for; Wan's: {DOWNLOAD}"
        )


def _defaults(model: type) -> dict[str, Any]:
    """The default of each argument of a model of diffusers."""
    return {name: each.default for name, each in inspect.signature(model).parameters.items()}


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
    problems = [
        f"{name} has {len(config[name])} numbers, expected {config['z_dim']}"
        for name in ("latents_mean", "latents_std")
        if len(config[name]) != config["z_dim"]
    ]
    for name in ("latents_mean", "latents_std"):
        for index, value in enumerate(config[name]):
            if not math.isfinite(value) or (name == "latents_std" and value <= 0):
                problems.append(f"{name}[{index}] is {value}")
    if problems:
        more = f" and {len(problems) - 1} more" * (len(problems) > 1)
        raise ValueError(
            f"{folder / 'config.json'}: {problems[0]}{more}; latents are normalised by numbers, those of latents_std positive."
            f" Download it: {DOWNLOAD}"
        )
