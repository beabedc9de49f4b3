"""Loading the diffusion model MJD with the weights of Wan2.2's transformer, or with its own from an earlier training."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from reference_model.config import MJDConfig, SyncMV4DConfig
from reference_model.loading.folder import (
    CONFIG_FILE,
    COPY_AGAIN,
    DOWNLOAD_COMMAND,
    REPOSITORY,
    check_config,
    find_class,
    find_part,
    read_config,
)
from reference_model.loading.weights import Weights, check_weights, load_weights, open_weights
from reference_model.mjd.initialization import init_new_parameters
from reference_model.mjd.model import MultiViewJointDiffusion

_SHARED_FIELDS = (
    "num_attention_heads", "attention_head_dim", "in_channels", "text_dim", "freq_dim", "ffn_dim", "num_layers", "eps", "patch_size",
)  # fmt: skip
_ORIGINAL_LAYOUT = (
    f"in the layout of Wan's own code, not in that of diffusers. Use {REPOSITORY} ({DOWNLOAD_COMMAND}),"
    " or convert with diffusers' scripts/convert_wan_to_diffusers.py --model_type Wan2.2-TI2V-5B --output_path FOLDER"
)
_FIX = (
    f"Give the configuration that it was saved with, or the folder of the expected model; for Wan: {DOWNLOAD_COMMAND}"
)


def load_mjd(folder: Path, config: SyncMV4DConfig, *, dtype: torch.dtype = torch.float32) -> MultiViewJointDiffusion:
    """Load the diffusion model MJD from a saved MJD, or from Wan2.2's transformer; parameters that Wan lacks are then derived from its own.

    Args:
        folder: a copy of Wan2.2-TI2V-5B-Diffusers, or a folder written by ``MultiViewJointDiffusion.save_pretrained``.
        config: configuration of the model to build; that of the folder must agree.
        dtype: dtype of the weights; those in ``MultiViewJointDiffusion._keep_in_fp32_modules`` stay float32.

    Raises:
        FileNotFoundError: the folder, its configuration, its weights or a shard is missing.
        ValueError: the folder has another configuration or layout, weights are missing or extra (all listed) or NaN, or a file is truncated.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"dtype is {dtype}: expected a floating-point dtype, such as torch.bfloat16")
    model, weights, new = open_mjd(folder, config)
    load_weights(model, weights, dtype=dtype, new=new, in_fp32=model._keep_in_fp32_modules)
    if new:
        init_new_parameters(model)
    return model.eval()


def open_mjd(folder: Path, config: SyncMV4DConfig) -> tuple[MultiViewJointDiffusion, Weights, frozenset[str]]:
    """Check a folder of the diffusion model or of Wan's transformer for ``load_mjd``, without reading weights; raises its errors except for NaN.

    Returns:
        MJD on the meta device (shapes without values), the names and shapes of the stored weights, and the names of MJD's parameters that are not
        stored and must be derived from them.
    """
    folder = _find_transformer(Path(folder))
    stored = read_config(folder)
    is_mjd = stored.get("_class_name") == MultiViewJointDiffusion.__name__
    if is_mjd:
        check_config(folder, stored, dataclasses.asdict(config.mjd), _FIX)
    else:
        find_class(folder, stored, [WanTransformer3DModel])
        check_config(folder, _wan_defaults() | stored, _wan_arguments(config.mjd), _FIX)
    weights = open_weights(folder)
    with torch.device("meta"):
        model = MultiViewJointDiffusion(config.mjd)
    new = frozenset() if is_mjd else model.new_parameters()
    check_weights(model, weights, new=new, hint=COPY_AGAIN if is_mjd else _layout_hint(weights))
    return model, weights, new


def _find_transformer(folder: Path) -> Path:
    if (folder / CONFIG_FILE).is_file():
        name = read_config(folder).get("_class_name")
        if name in (MultiViewJointDiffusion.__name__, WanTransformer3DModel.__name__):
            return folder
        if name == "WanModel":
            raise ValueError(f"{folder} is {_ORIGINAL_LAYOUT}")
    return find_part(folder, "transformer")


def _wan_defaults() -> dict[str, Any]:
    parameters = inspect.signature(WanTransformer3DModel).parameters.values()
    return {each.name: list(each.default) if isinstance(each.default, tuple) else each.default for each in parameters}


def _wan_arguments(mjd: MJDConfig) -> dict[str, Any]:
    """Return the constructor arguments of the WanTransformer3DModel from which the diffusion model MJD is initialized."""
    return {name: getattr(mjd, name) for name in _SHARED_FIELDS} | {
        "out_channels": mjd.in_channels,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "image_dim": None,
        "added_kv_proj_dim": None,
        "pos_embed_seq_len": None,
    }


def _layout_hint(weights: Weights) -> str:
    is_original = any(".self_attn." in name or name.startswith("head.") for name in weights.all_shapes())
    return f"This is {_ORIGINAL_LAYOUT}" if is_original else f"Expected {REPOSITORY}: {DOWNLOAD_COMMAND}"
