"""How many floating-point operations a configuration takes: counted on meta and fake tensors, not by a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reference_model.config import SyncMV4DConfig
from reference_model.cost.phantom import (
    TAPS,
    align,
    alignment_step,
    forward,
    of_blocks,
    of_depth,
    of_length,
    phantom_dpa,
    phantom_latents,
    phantom_mjd,
    phantom_vae,
    phantom_video,
    training_step,
)


@dataclass(frozen=True)
class Flops:
    """Floating-point operations as torch.utils.flop_counter counts them: of matrix products and convolutions.

    Attributes:
        forward: of MJD on all views of one sample.
        training_step: of MJD on one sample with gradient checkpointing: forward, again forward, backward.
        encode: of the autoencoder's encoder on one view.
        decode: of its decoder on one view.
        decode_backward: of a backward through the decoder to one view's latents; its weights are frozen.
        align: of DPA on the points of all views of one sample.
        alignment_step: of DPA on one sample with gradient checkpointing: forward, again forward, backward.
        sparse_convolution: of these, in ``align``: at most, since how many voxels have neighbours depends on the places of the points.
    """

    forward: int
    training_step: int
    encode: int
    decode: int
    decode_backward: int
    align: int
    alignment_step: int
    sparse_convolution: int

    @property
    def guided_step(self) -> int:
        """Of a sampler's step: a forward with the text and one without."""
        return 2 * self.forward


@dataclass(frozen=True)
class Steps:
    """Floating-point operations of whole steps.

    Attributes:
        sampling: a sampler's step with text guidance and the loop: two forwards of MJD, V pseudo-videos decoded, DPA, V encoded.
        joint: an iteration of Algorithm 1 without guidance: MJD's training step, V decoded, backward through the decoder where
            ``cycle.gradient`` is full, DPA's training step.
        guidance_x0: what lines 7 and 8 add where coarse motion is an estimate of clean motion: MJD, V decoded, DPA, V encoded.
        guidance_literal: the same where it is noisy motion, which takes no MJD.
        training: the mean iteration, by the configuration's reading and its share of iterations with guidance, which may be none.
    """

    sampling: int
    joint: int
    guidance_x0: int
    guidance_literal: int
    training: int


def count_flops(config: SyncMV4DConfig) -> Flops:
    """The operations of a configuration, from those of one block and of two, and of one latent frame and of two.

    Blocks are alike, and so to the autoencoder are all latent frames after the first.
    """
    layers, blocks, n = config.mjd.num_layers, config.dpa.num_layers, phantom_latents(config).shape[3]
    return Flops(
        forward=along(lambda k: forward_flops(of_depth(config, k)), layers),
        training_step=along(lambda k: training_flops(of_depth(config, k)), layers),
        encode=along(lambda k: encoder_flops(of_length(config, k)), n),
        decode=along(lambda k: decoder_flops(of_length(config, k)), n),
        decode_backward=along(lambda k: decoder_backward_flops(of_length(config, k)), n),
        align=along(lambda k: align_flops(of_blocks(config, k)), blocks),
        alignment_step=along(lambda k: alignment_flops(of_blocks(config, k)), blocks),
        sparse_convolution=sparse_convolution_flops(config),
    )


def whole_steps(config: SyncMV4DConfig, flops: Flops) -> Steps:
    """The whole steps of a configuration, of its parts' operations."""
    views, cycle = config.mjd.views, config.cycle
    decode, encode = views * flops.decode, views * flops.encode
    backward = views * flops.decode_backward if cycle.gradient == "full" else 0
    loop = decode + flops.align + encode
    joint = flops.training_step + decode + backward + flops.alignment_step
    guidance = {"x0": flops.forward + loop, "algorithm1_literal": loop}
    return Steps(
        sampling=flops.guided_step + loop,
        joint=joint,
        guidance_x0=guidance["x0"],
        guidance_literal=guidance["algorithm1_literal"],
        training=joint + round(cycle.guided_share * guidance[cycle.reading]),
    )


def along(count: Callable[[int], int], length: int) -> int:
    """The count of a whole from those of its first part and its first two, where every later part takes what the second takes."""
    one, two = count(1), count(2)
    return one + (length - 1) * (two - one)


def forward_flops(config: SyncMV4DConfig) -> int:
    """Of one forward of MJD on one sample, every block counted."""
    mjd = phantom_mjd(config)
    return _operations(lambda: forward(mjd, config))


def training_flops(config: SyncMV4DConfig) -> int:
    """Of one training step of MJD on one sample with gradient checkpointing, every block counted."""
    mjd = phantom_mjd(config)
    return _operations(lambda: training_step(mjd, config))


def encoder_flops(config: SyncMV4DConfig) -> int:
    """Of encoding one view, every frame counted."""
    vae = phantom_vae(config)
    return _operations(lambda: vae.encode(phantom_video(config)))


def decoder_flops(config: SyncMV4DConfig) -> int:
    """Of decoding one view, every frame counted."""
    vae = phantom_vae(config)
    return _operations(lambda: vae.decode(phantom_latents(config)[:, 0]))


def decoder_backward_flops(config: SyncMV4DConfig) -> int:
    """Of the backward from one decoded view to its latents, every frame counted."""
    vae, z = phantom_vae(config).requires_grad_(False), phantom_latents(config)[:, 0].requires_grad_()
    decoded = vae.decode(z).sample.mean()
    return _operations(decoded.backward)


def align_flops(config: SyncMV4DConfig) -> int:
    """Of one forward of DPA on one sample, each voxel with all its neighbours."""
    with FakeTensorMode():
        dpa = phantom_dpa(config)
        return _operations(lambda: align(dpa, config))


def alignment_flops(config: SyncMV4DConfig) -> int:
    """Of one training step of DPA on one sample with gradient checkpointing, each voxel with all its neighbours."""
    with FakeTensorMode():
        dpa = phantom_dpa(config)
        return _operations(lambda: alignment_step(dpa, config))


def sparse_convolution_flops(config: SyncMV4DConfig, neighbours: int | None = None) -> int:
    """Of the sparse convolutions of one forward of DPA on one sample, whose voxels have so many neighbours in all; None is the most."""
    dpa = config.dpa
    if neighbours is None:
        neighbours = TAPS * config.frames * dpa.views * config.pseudo_video.points
    return 2 * dpa.num_layers * dpa.width**2 * neighbours


def _operations(run: Callable[[], object]) -> int:
    # Fused attention is counted with the scores that its backward computes again: kernels differ in that, models do not.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()
