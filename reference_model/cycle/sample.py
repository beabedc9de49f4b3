"""Sampling in the closed loop: what the paper's supplement promises and does not print, from equations 2 to 4 and section 3.5."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.flow import clean, euler_step, time_grid
from reference_model.cycle.text_guidance import guided
from reference_model.cycle.track_codec import TrackCodec
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.mjd.tokens import hold_first_frame


class Conditions(NamedTuple):
    """What a sample is asked for.

    Attributes:
        z_image: z^I (B, V, C, 1, h, w).
        text: (B, L, text_dim).
        no_text: the empty prompt's, (B, L, text_dim), or None to leave out guidance by text.
        anchors: (B, V, K, 2), ((u + 1/2) / W, (v + 1/2) / H).
        intrinsics: (B, V, 2), where the model's scale tokens see K.
        frames: (N, n), of videos and of latents.
    """

    z_image: Tensor
    text: Tensor
    no_text: Tensor | None
    anchors: Tensor
    intrinsics: Tensor | None
    frames: tuple[int, int]


class Sample(NamedTuple):
    """Clean latents of videos and pseudo-videos (B, V, C, n, h, w), tracks (B, V, N, K, 3) in the scene frame, and s (B, V, 2) metres."""

    z_video: Tensor
    z_motion: Tensor
    M: Tensor
    scale: Tensor


@torch.no_grad()
def sample(
    mjd: MultiViewJointDiffusion,
    dpa: DiffusionPointsAligner,
    given: Conditions,
    track_codec: TrackCodec,
    flow: FlowConfig,
    cycle: CycleConfig,
    generator: torch.Generator,
) -> Sample:
    """Videos, motion and tracks of V reference images.

    Guidance of one step enters the next, and none the first.  On steps without the loop DPA goes on with the coarse tracks of the last one that had
    it, at first with none.

    Raises:
        FloatingPointError: the models gave NaN or infinity.
    """
    z_image = given.z_image.float()
    latents = (*z_image.shape[:3], given.frames[1], *z_image.shape[4:])
    points = (*given.anchors.shape[:2], given.frames[0], given.anchors.shape[2], 3)
    z_video, z_motion, M = (
        torch.randn(shape, generator=generator, device=generator.device).to(z_image)
        for shape in (latents, latents, points)
    )
    z_video = hold_first_frame(z_video, z_image)
    coarse, found = torch.zeros_like(M), torch.zeros_like(M[..., 0], dtype=torch.bool)
    guidance = torch.zeros_like(z_motion)
    for step, (t, t_next) in enumerate(pairwise(time_grid(flow.steps, flow.shift))):
        times = t.to(M.device).expand(len(M))
        state, texts = (z_video, z_motion, z_image), (given.text, given.no_text)
        v_video, v_motion, s = guided(
            mjd, state, *texts, flow.guidance_scale, times, guidance, given.intrinsics
        )  # Eq. 3
        z_video = hold_first_frame(euler_step(z_video, v_video, t, t_next), z_image)  # Eq. 2
        z_next = euler_step(z_motion, v_motion, t, t_next)
        last = step == flow.steps - 1
        looped = cycle.loops(step, float(t), last=last)
        if looped:
            literal = cycle.reading == "algorithm1_literal"
            coarse, found = track_codec.decode_tracks(
                z_next if literal else clean(z_motion, v_motion, t), s
            )  # MJD -> DPA
        v_points = dpa(M, coarse, found, given.anchors, times, track_codec.point_mask)  # Eq. 4
        if looped and cycle.guidance and not last:
            guidance = track_codec.encode_guidance(clean(M, v_points, t))  # DPA -> MJD, at the next step
        z_motion, M = z_next, euler_step(M, v_points, t, t_next)
    sampled = Sample(z_video, z_motion, M, s)
    for name, each in sampled._asdict().items():
        if not each.isfinite().all():
            raise FloatingPointError(
                f"sampled {name} holds NaN or infinity: the weights are broken, or overflow in this precision"
            )
    return sampled
