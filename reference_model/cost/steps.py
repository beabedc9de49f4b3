"""What whole steps take on one sample: the parts that ``flops`` counts, as often as ``sample`` and ``joint_step`` call them."""

from __future__ import annotations

from dataclasses import dataclass

from reference_model.config import SyncMV4DConfig
from reference_model.cost.flops import Flops


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
