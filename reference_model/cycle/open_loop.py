"""Sampling by multi-view joint diffusion alone, without DPA and its loop (the third row of Table 3)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from reference_model.cycle.flow import euler_step, time_grid
from reference_model.cycle.text_guidance import guided
from reference_model.mjd.tokens import hold_first_frame

if TYPE_CHECKING:
    from reference_model.config import FlowConfig
    from reference_model.mjd.model import MultiViewJointDiffusion


class OpenLoop(NamedTuple):
    """Clean latents of videos and motion pseudo-videos, (B, V, C, n, h, w), and their depth ranges (B, V, 2) in metres, (near, far); float32."""

    z_video: Tensor
    z_motion: Tensor
    scale: Tensor


@torch.no_grad()
def sample_open_loop(
    mjd: MultiViewJointDiffusion,
    z_image: Tensor,
    text: Tensor,
    no_text: Tensor | None,
    n: int,
    flow: FlowConfig,
    generator: torch.Generator,
    intrinsics: Tensor | None = None,
) -> OpenLoop:
    """Videos and motion of V reference images, by Euler steps (Eq. 2) on the velocities of MJD (Eq. 3).

    Args:
        mjd: the model, on the device of the tensors.
        z_image: z^I (B, V, C, 1, h, w), which stays frame 0 of the videos through every step.
        text: (B, L, text_dim) of umT5.
        no_text: the same of the empty prompt, to guide video away from by ``flow.guidance_scale``; None is no guidance.
        n: latent frames to sample.
        flow: steps, shift and guidance scale.
        generator: of the noise, drawn on the generator's device, for each view its own.
        intrinsics: (B, V, 2), (fx / W, fy / H), where the model's scale tokens see K.

    Raises:
        ValueError: the latent of an image is not one finite frame, there is no frame to sample, or the model refuses a shape.
    """
    _check(z_image, text, no_text, n)
    z_image = z_image.float()
    shape = (*z_image.shape[:3], n, *z_image.shape[4:])
    z_video, z_motion = (torch.randn(shape, generator=generator, device=generator.device).to(z_image) for _ in range(2))
    z_video = hold_first_frame(z_video, z_image)
    for t, t_next in pairwise(time_grid(flow.steps, flow.shift)):
        times = t.to(z_image.device).expand(len(z_image))
        state = z_video, z_motion, z_image
        v_video, v_motion, scale = guided(mjd, state, text, no_text, flow.guidance_scale, times, None, intrinsics)
        z_video = hold_first_frame(euler_step(z_video, v_video, t, t_next), z_image)
        z_motion = euler_step(z_motion, v_motion, t, t_next)
    return OpenLoop(z_video, z_motion, scale)


def _check(z_image: Tensor, text: Tensor, no_text: Tensor | None, n: int) -> None:
    if z_image.ndim != 6 or z_image.shape[3] != 1:
        raise ValueError(f"z_image has shape {tuple(z_image.shape)}: expected (B, V, C, 1, h, w)")
    if n < 1:
        raise ValueError(f"{n} latent frames: expected 1 or more")
    for name, tensor in {"z_image": z_image, "text": text, "no_text": no_text}.items():
        if tensor is not None and not tensor.isfinite().all():
            raise ValueError(f"{name} holds NaN or infinity: encode it anew")
