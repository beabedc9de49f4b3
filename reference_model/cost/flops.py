"""Floating-point operations of a model configuration, counted by torch.utils.flop_counter.

Only matrix products and convolutions count; a multiplication with its addition counts as two operations.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, NamedTuple

from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reference_model.config import SyncMV4DConfig, with_mjd
from reference_model.cost.meta_model import (
    TAPS,
    build_dpa,
    build_mjd,
    build_vae,
    empty_latents,
    run_decoder,
    run_dpa,
    run_encoder,
    run_mjd,
    train_dpa,
    train_mjd,
    with_latent_frames,
)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations of the model's parts; the text with each field is its label in the tables of ``reference_model.info``.

    MJD (the diffusion model) and DPA (the points aligner) are counted on all views of one sample, their training steps with gradient
    checkpointing.  ``sparse_convolution`` is included in ``align``, and an upper bound: which voxels have neighbours depends on coordinates.
    """

    forward: Annotated[int, "MJD: forward"]
    training_step: Annotated[int, "MJD: training step, with recomputation"]
    encode: Annotated[int, "autoencoder: encode one view"]
    decode: Annotated[int, "autoencoder: decode one view"]
    decode_backward: Annotated[int, "autoencoder: backward of decoding one view"]
    align: Annotated[int, "DPA: forward"]
    sparse_convolution: Annotated[int, "  of which sparse convolutions, at most"]
    alignment_step: Annotated[int, "DPA: training step"]


@dataclass(frozen=True)
class Steps:
    """Floating-point operations of complete steps on one sample; the text with each field is its label in the tables of ``reference_model.info``.

    ``joint`` is Algorithm 1 of the SyncMV4D paper without guidance, with the backward through the decoder if ``cycle.gradient`` is full.  Guidance
    (lines 7 and 8) adds ``guidance_x0`` if coarse motion is an estimate of clean motion, ``guidance_literal`` if it is noisy motion, which needs no
    MJD.  ``training`` is the mean over iterations, with the reading of the algorithm and the share of iterations with guidance in the configuration.
    """

    two_forwards: Annotated[int, "MJD with the text and without"]
    encode_motion: Annotated[int, "autoencoder: encode motion of all views"]
    decode_motion: Annotated[int, "autoencoder: decode motion of all views"]
    decode_output: Annotated[int, "autoencoder: decode all videos and motion"]
    sampling: Annotated[int, "sampling step: MJD twice, decode, DPA, encode"]
    joint: Annotated[int, "training step: MJD, decode, DPA"]
    guidance_x0: Annotated[int, "  guidance adds, x0: MJD, decode, DPA, encode"]
    guidance_literal: Annotated[int, "  guidance adds, literal: decode, DPA, encode"]
    training: Annotated[int, "  mean, with the share of guidance"]


class _Axis(NamedTuple):
    """A length with which the operations of a part grow linearly: its number of blocks, or of latent frames in the autoencoder.

    Attributes:
        length: returns that number in a configuration.
        shorten: returns the configuration with another such number.
    """

    length: Callable[[SyncMV4DConfig], int]
    shorten: Callable[[SyncMV4DConfig, int], SyncMV4DConfig]


_MJD_BLOCKS = _Axis(lambda config: config.mjd.num_layers, lambda config, k: with_mjd(config, num_layers=k))
_DPA_BLOCKS = _Axis(
    lambda config: config.dpa.num_layers, lambda config, k: replace(config, dpa=replace(config.dpa, num_layers=k))
)
_LATENT_FRAMES = _Axis(lambda config: empty_latents(config).shape[3], with_latent_frames)

PARTS: dict[str, tuple[_Axis, Callable[[SyncMV4DConfig], Callable[[], object]]]] = {
    "forward": (_MJD_BLOCKS, lambda config: partial(run_mjd, build_mjd(config, "cpu"), config)),
    "training_step": (_MJD_BLOCKS, lambda config: partial(train_mjd, build_mjd(config, "cpu"), config)),
    "encode": (_LATENT_FRAMES, lambda config: partial(run_encoder, build_vae(config), config)),
    "decode": (_LATENT_FRAMES, lambda config: partial(run_decoder, build_vae(config), empty_latents(config)[:, 0])),
    "decode_backward": (_LATENT_FRAMES, lambda config: _decode_and_return_backward(config)),
    "align": (_DPA_BLOCKS, lambda config: partial(run_dpa, build_dpa(config), config)),
    "alignment_step": (_DPA_BLOCKS, lambda config: partial(train_dpa, build_dpa(config), config)),
}
"""For each part of ``Flops``: the axis along which its operations grow, and a function that builds its model and returns the call to count."""


def count_flops(config: SyncMV4DConfig) -> Flops:
    """Count the operations of each part of a model configuration."""
    parts = {part: extrapolate_part(part, config) for part in PARTS}
    return Flops(**parts, sparse_convolution=sparse_convolution_flops(config))


def count_steps(config: SyncMV4DConfig, flops: Flops) -> Steps:
    """Return the operations of complete sampling and training steps, as sums of those of the model's parts in ``flops``."""
    views, cycle = config.mjd.views, config.cycle
    encode, decode = views * flops.encode, views * flops.decode
    backward = views * flops.decode_backward if cycle.gradient == "full" else 0
    loop = decode + flops.align + encode
    joint = flops.training_step + decode + backward + flops.alignment_step
    guidance = {"x0": flops.forward + loop, "algorithm1_literal": loop}
    return Steps(
        two_forwards=2 * flops.forward,
        encode_motion=encode,
        decode_motion=decode,
        decode_output=2 * decode,
        sampling=2 * flops.forward + loop,
        joint=joint,
        guidance_x0=guidance["x0"],
        guidance_literal=guidance["algorithm1_literal"],
        training=joint + round(cycle.guidance_probability * guidance[cycle.reading]),
    )


def extrapolate_part(part: str, config: SyncMV4DConfig) -> int:
    """Return the operations of a part of ``Flops``, extrapolated linearly from models with one and with two blocks or latent frames."""
    axis, _ = PARTS[part]
    one, two = (count_part(part, axis.shorten(config, k)) for k in (1, 2))
    return one + (axis.length(config) - 1) * (two - one)


def count_part(part: str, config: SyncMV4DConfig) -> int:
    """Return the operations of a part of ``Flops``, counted with all of its blocks and latent frames."""
    axis, prepare = PARTS[part]
    with nullcontext() if axis is _LATENT_FRAMES else FakeTensorMode():
        run = prepare(config)
        # Without fused attention, whose backward the counter charges for recomputed scores: that is up to the kernel, not the model.
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run()
    return counter.get_total_flops()


def sparse_convolution_flops(config: SyncMV4DConfig, neighbours: int | None = None) -> int:
    """Return the floating-point operations of the sparse convolutions in one forward of the points aligner (DPA).

    Args:
        config: the model configuration.
        neighbours: number of neighbours of all points together, each point included; None for the maximum, 27 per point.
    """
    dpa = config.dpa
    if neighbours is None:
        neighbours = TAPS * config.frames * dpa.views * config.pseudo_video.points
    return 2 * dpa.num_layers * dpa.width**2 * neighbours


def _decode_and_return_backward(config: SyncMV4DConfig) -> Callable[[], object]:
    z = empty_latents(config)[:, 0].requires_grad_()
    backward: Callable[[], object] = run_decoder(build_vae(config).requires_grad_(False), z).mean().backward
    return backward
