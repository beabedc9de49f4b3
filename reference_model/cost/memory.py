"""How much memory a configuration takes: computed from its parameters, its tokens and the allocations of fake tensors."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from reference_model.config import SyncMV4DConfig
from reference_model.cost.inventory import count_tokens
from reference_model.cost.phantom import forward, of_depth, phantom_latents, phantom_mjd, phantom_vae
from reference_model.mjd.model import MultiViewJointDiffusion


@dataclass(frozen=True)
class Memory:
    """Bytes.

    Attributes:
        weights_bf16: of MJD, but for what it keeps in float32.
        weights_fp32: of MJD.
        vae: the autoencoder's weights in float32.
        training_state: of each GPU under ZeRO-3: weights and gradients in bf16; weights and Adam's two moments in float32.
        block_boundaries: activations that gradient checkpointing keeps of one sample, one of each block, in bf16.
        forward_peak: most that a forward of one sample has allocated beside its weights in bf16, where attention is fused.
        latents: of both modalities of one sample in float32.
    """

    weights_bf16: int
    weights_fp32: int
    vae: int
    training_state: int
    block_boundaries: int
    forward_peak: int
    latents: int


STATE_BYTES = 2 + 2 + 4 + 4 + 4
"""Of a parameter in training: weight, gradient; weight, first and second moment."""


def count_memory(config: SyncMV4DConfig, gpus: int) -> Memory:
    """The memory of a configuration, trained on so many GPUs.

    Raises:
        ValueError: there is no GPU.
    """
    if gpus < 1:
        raise ValueError(f"gpus is {gpus}: expected 1 or more")
    mjd, tokens, views = phantom_mjd(config), count_tokens(config), config.mjd.views
    dtypes = dtypes_in_bf16(mjd)
    count = sum(each.numel() for each in mjd.parameters())
    return Memory(
        weights_bf16=sum(dtypes[name].itemsize * each.numel() for name, each in mjd.named_parameters()),
        weights_fp32=4 * count,
        vae=4 * sum(each.numel() for each in phantom_vae(config).parameters()),
        training_state=-(-STATE_BYTES * count // gpus),
        block_boundaries=2 * config.mjd.num_layers * views * tokens.intra_view * config.mjd.width,
        forward_peak=forward_peak(of_depth(config, 1)),  # a block leaves the next its output alone: one peaks as all do
        latents=4 * 2 * phantom_latents(config).numel(),
    )


def dtypes_in_bf16(mjd: MultiViewJointDiffusion) -> dict[str, torch.dtype]:
    """The dtype of each parameter by name where the model runs in bf16: what it keeps in float32 stays so."""
    in_fp32 = frozenset(mjd._keep_in_fp32_modules)
    return {
        name: torch.float32 if in_fp32.intersection(name.split(".")) else torch.bfloat16
        for name, _ in mjd.named_parameters()
    }


@torch.no_grad()
def forward_peak(config: SyncMV4DConfig) -> int:
    """The most bytes that a forward of one sample in bf16 holds at once beside the weights, where attention never writes its matrix.

    They are the allocations of fake CPU tensors, without what a GPU's kernels and the fragments of its allocator take.
    """
    mjd, tracker = phantom_mjd(config), MemTracker()
    dtypes, shapes = dtypes_in_bf16(mjd), {name: each.shape for name, each in mjd.named_parameters()}
    with FakeTensorMode():
        weights = {name: torch.empty(shapes[name], dtype=dtype, device="cpu") for name, dtype in dtypes.items()}
        mjd.load_state_dict(weights, assign=True)
        with tracker:
            forward(mjd, config, device="cpu")
    (peak,) = tracker.get_tracker_snapshot("peak").values()
    return next(size for kind, size in peak.items() if kind.name == "ACT")
