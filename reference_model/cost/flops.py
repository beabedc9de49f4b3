"""How many floating-point operations a configuration takes: counted on meta tensors, not by a formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.utils.flop_counter import FlopCounterMode

from reference_model.config import SyncMV4DConfig
from reference_model.cost.phantom import (
    forward,
    of_depth,
    of_length,
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
    """

    forward: int
    training_step: int
    encode: int
    decode: int

    @property
    def guided_step(self) -> int:
        """Of a sampler's step: a forward with the text and one without."""
        return 2 * self.forward


def count_flops(config: SyncMV4DConfig) -> Flops:
    """The operations of a configuration, from those of one block and of two, and of one latent frame and of two.

    Blocks are alike, and so to the autoencoder are all latent frames after the first.
    """
    layers, n = config.mjd.num_layers, phantom_latents(config).shape[3]
    return Flops(
        forward=along(lambda k: forward_flops(of_depth(config, k)), layers),
        training_step=along(lambda k: training_flops(of_depth(config, k)), layers),
        encode=along(lambda k: encoder_flops(of_length(config, k)), n),
        decode=along(lambda k: decoder_flops(of_length(config, k)), n),
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


def _operations(run: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()
