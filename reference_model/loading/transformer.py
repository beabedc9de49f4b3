"""Loading the diffusion model MJD with the weights of Wan2.2's transformer, or with its own from an earlier training."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import torch
from diffusers import WanTransformer3DModel

from reference_model.config import MJDConfig, SyncMV4DConfig
from reference_model.config.fields import later_defaults
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
_START_FIELDS = ("views", "motion", "inter_view")
"""Fields of ``MJDConfig`` in which the common start of the ablations differs from the rows that are trained from it."""
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


def load_from_start(
    folder: Path, config: SyncMV4DConfig, *, dtype: torch.dtype = torch.float32
) -> MultiViewJointDiffusion:
    """Load the diffusion model MJD from the common start of the ablations, a saved MJD of videos of one view without inter-view attention.

    It is to the model what Wan's transformer is in ``load_mjd``, whose errors this raises too: parameters that it lacks are derived from its own.

    Args:
        folder: the folder of a saved model that has no motion.
        config: configuration of the model to build; that of the folder must agree but for views, motion and inter-view attention.
        dtype: dtype of the weights.
    """
    model, weights, new = open_start(folder, config)
    load_weights(model, weights, dtype=dtype, new=new, in_fp32=model._keep_in_fp32_modules)
    init_new_parameters(model, has_videos=True)
    return model.eval()


def open_start(folder: Path, config: SyncMV4DConfig) -> tuple[MultiViewJointDiffusion, Weights, frozenset[str]]:
    """Check the folder of a common start for ``load_from_start``, without reading weights; returns what ``open_mjd`` returns."""
    folder = Path(folder) / "mjd"
    expected = {name: value for name, value in dataclasses.asdict(config.mjd).items() if name not in _START_FIELDS}
    check_config(folder, read_config(folder), expected, "Give the common start of the same base")
    with torch.device("meta"):
        model = MultiViewJointDiffusion(config.mjd)
    new = frozenset(name for name in model.new_parameters() if "held_embedding" not in name.split("."))
    weights = open_weights(folder)
    check_weights(model, weights, new=new, hint="Give the common start of the same base, a model without motion")
    return model, weights, new


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
        check_config(folder, later_defaults(MJDConfig) | stored, dataclasses.asdict(config.mjd), _FIX)
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
