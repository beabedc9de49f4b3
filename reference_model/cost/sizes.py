"""Parameters, tokens (section 4.2 of the SyncMV4D paper) and memory of a model configuration."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from reference_model.config import SyncMV4DConfig, with_mjd
from reference_model.cost.meta_model import build_dpa, build_mjd, build_vae, empty_latents, run_mjd
from reference_model.loading.weights import parameter_dtypes
from reference_model.mjd.initialization import NEW_PARAMETERS

STATE_BYTES = 2 + 2 + 4 + 4 + 4
"""Bytes that training stores per parameter: weight and gradient in bf16; weight, first and second moment in float32."""


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters of the models; the text with each field is its label in the tables of ``reference_model.info``.

    ``new`` counts the parameters that Wan2.2 lacks, by the name of their module or table, the largest first.
    """

    total: Annotated[int, "MJD"]
    wan: Annotated[int, "  from Wan2.2"]
    new: Annotated[dict[str, int], "  new"]
    dpa: Annotated[int, "points aligner, DPA"]
    vae: Annotated[int, "video autoencoder, frozen"]


@dataclass(frozen=True)
class Tokens:
    """Numbers of tokens of one view in the diffusion model (MJD); the text with each field is its label in the tables of ``reference_model.info``.

    ``inter_view`` is (number of groups, tokens of a group): a token attends to its group, the tokens of all views at one latent frame, of video and
    motion together or separately.  If the scale and register tokens of all views form one more group, ``specials_meet`` is its size; else 0.
    """

    video: Annotated[int, "video"]
    motion: Annotated[int, "motion"]
    scale: Annotated[int, "scale"]
    register: Annotated[int, "register"]
    text: Annotated[int, "text, padded"]
    total: Annotated[int, "total (section 4.2)"]
    intra_view: Annotated[int, "intra-view attention: a view's sequence, without text"]
    inter_view: Annotated[tuple[int, int], "inter-view attention: groups x tokens"]
    specials_meet: Annotated[int, "  scale and register tokens of all views"]


@dataclass(frozen=True)
class Memory:
    """Memory in bytes for one sample; the text with each field is its label in the tables of ``reference_model.info``.

    ``training_state`` is per GPU under ZeRO-3, which shards it; see ``STATE_BYTES``.  Gradient checkpointing stores one activation per block.
    """

    weights_bf16: Annotated[int, "MJD's weights, bf16 except for those that stay float32"]
    weights_fp32: Annotated[int, "MJD's weights, float32"]
    vae: Annotated[int, "autoencoder's weights, float32"]
    latents: Annotated[int, "latents of video and motion, float32"]
    forward_peak: Annotated[int, "peak activations of MJD's forward, bf16 (estimate)"]
    block_boundaries: Annotated[int, "activations kept by MJD's gradient checkpointing, bf16"]
    training_state: Annotated[int, "MJD's training state per GPU under ZeRO-3"]


def count_parameters(config: SyncMV4DConfig) -> Parameters:
    """Count the parameters of diffusion model (MJD), points aligner (DPA) and video autoencoder in a configuration."""
    groups: Counter[str] = Counter()
    for name, parameter in build_mjd(config).named_parameters():
        groups[next((part for part in name.split(".") if part in NEW_PARAMETERS), "wan")] += parameter.numel()
    wan = groups.pop("wan")
    with FakeTensorMode():
        dpa = _numel(build_dpa(config))
    return Parameters(wan + groups.total(), wan, dict(groups.most_common()), dpa, _numel(build_vae(config)))


def count_tokens(config: SyncMV4DConfig) -> Tokens:
    """Count the tokens of one view in the diffusion model (MJD), and those of a group of inter-view attention."""
    mjd = config.mjd
    grid = config.latent_grid(config.frames, config.height, config.width)
    frames, rows, columns = (length // patch for length, patch in zip(grid, mjd.patch_size, strict=True))
    frame, special = rows * columns, mjd.scale_tokens + mjd.register_tokens
    is_joint = mjd.inter_view == "joint"
    return Tokens(
        video=frames * frame,
        motion=frames * frame,
        scale=mjd.scale_tokens,
        register=mjd.register_tokens,
        text=config.text_tokens,
        total=2 * frames * frame + special + config.text_tokens,
        intra_view=2 * frames * frame + special,
        inter_view=(frames, 2 * mjd.views * frame) if is_joint else (2 * frames, mjd.views * frame),
        specials_meet=mjd.views * special if mjd.special_tokens_meet else 0,
    )


def count_memory(config: SyncMV4DConfig, gpus: int) -> Memory:
    """Compute the memory of a model configuration in bytes; ``gpus`` GPUs share the training state."""
    mjd, tokens = build_mjd(config), config.mjd.views * count_tokens(config).intra_view
    dtypes, count = parameter_dtypes(mjd, torch.bfloat16, mjd._keep_in_fp32_modules), _numel(mjd)
    return Memory(
        weights_bf16=sum(dtypes[name].itemsize * each.numel() for name, each in mjd.named_parameters()),
        weights_fp32=4 * count,
        vae=4 * _numel(build_vae(config)),
        training_state=-(-STATE_BYTES * count // gpus),
        block_boundaries=2 * config.mjd.num_layers * tokens * config.mjd.width,
        forward_peak=forward_peak(with_mjd(config, num_layers=1)),  # a block passes on its output only: all peak alike
        latents=4 * 2 * empty_latents(config).numel(),
    )


@torch.no_grad()
def forward_peak(config: SyncMV4DConfig) -> int:
    """Return the largest number of bytes that activations occupy at once in a bf16 forward of the diffusion model (MJD) on one sample.

    Attention is fused.  Memory is counted from the shapes of fake CPU tensors, without the workspace and fragmentation of a GPU.
    """
    mjd, tracker = build_mjd(config), MemTracker()
    dtypes = parameter_dtypes(mjd, torch.bfloat16, mjd._keep_in_fp32_modules)
    with FakeTensorMode():
        weights = {name: torch.empty(each.shape, dtype=dtypes[name]) for name, each in mjd.named_parameters()}
        mjd.load_state_dict(weights, assign=True)
        with tracker:
            run_mjd(mjd, config)
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return next(size for kind, size in peak.items() if kind.name == "ACT")


def _numel(model: nn.Module) -> int:
    return sum(each.numel() for each in model.parameters())
