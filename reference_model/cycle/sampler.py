"""The sampler: Euler steps of the multi-view joint diffusion model (MJD) and, in the closed loop, of the points aligner (DPA).

See equations 2 to 4 and section 3.5 of the SyncMV4D paper, which refers to its supplement for the pseudocode of inference, which was not published.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.track_codec import TrackCodec, encode_first_guidance
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import Baseline, MJDOutput, MultiViewJointDiffusion
from reference_model.mjd.tokens import replace_first_frame
from reference_model.rectified_flow import clean, euler_step, time_grid


class Conditions(NamedTuple):
    """The inputs of the sampler, for B samples of V views.

    Attributes:
        z_image: z^I (B, V, C, 1, h, w), latents of the reference images, which are the first latent frame of the videos.
        text: (B, L, text_dim), umT5 embedding of the prompts.
        no_text: embedding of the empty prompt (B, L, text_dim), or None for no classifier-free guidance.
        anchors: (B, V, K, 2) positions of the K points in frame 0, ((u + 1/2) / W, (v + 1/2) / H); None if there are no points.
        intrinsics: (B, V, 2) focal lengths (fx / W, fy / H) if the model's scale tokens see them, else None.
        frames: (N, n), number of frames of the videos and of their latents.
        baseline: the still clip from which a residual model's outputs are differences, else None.
    """

    z_image: Tensor
    text: Tensor
    no_text: Tensor | None
    anchors: Tensor | None
    intrinsics: Tensor | None
    frames: tuple[int, int]
    baseline: Baseline | None = None


class Sampled(NamedTuple):
    """The output of the sampler: clean latents of videos and motion pseudo-videos, tracks and depth ranges.

    Attributes:
        z_video: (B, V, C, n, h, w), latents of the videos.
        z_motion: (B, V, C, n, h, w), latents of the motion pseudo-videos; None from a model of videos only.
        M: tracks (B, V, N, K, 3) in the scene frame and its units; None in open loop.
        s: (B, V, 2) near and far depth of the pseudo-videos, metres; None from a model of videos only.
    """

    z_video: Tensor
    z_motion: Tensor | None
    M: Tensor | None
    s: Tensor | None


@torch.no_grad()
def sample(
    mjd: MultiViewJointDiffusion,
    dpa: DiffusionPointsAligner | None,
    conditions: Conditions,
    track_codec: TrackCodec | None,
    flow: FlowConfig,
    cycle: CycleConfig,
    generator: torch.Generator,
) -> Sampled:
    """Sample videos, motion and tracks that continue V reference images.

    In the closed loop, MJD's motion is decoded to coarse tracks, DPA refines these, and the refined tracks are encoded as guidance of MJD in the
    next step; the first step has the first guidance (``CycleConfig.first_guidance``).  In steps without the loop DPA reuses the last coarse tracks,
    at first none.  Without ``dpa`` MJD samples alone, in open loop, and there are no tracks (row 3 of Table 3 of the SyncMV4D paper); ``track_codec``
    and anchors then only give the first guidance.

    Args:
        mjd: the multi-view joint diffusion model (MJD).
        dpa: the diffusion points aligner (DPA), or None for open loop.
        conditions: latents of the images, embedding of the prompt, anchors and cameras' focal lengths.
        track_codec: the conversion between motion latents and tracks, or None if there are no anchors.
        flow: steps and shift of the sampler, and scale of classifier-free guidance.
        cycle: the steps in which the loop runs, and its options.
        generator: source of the initial noise.

    Raises:
        FloatingPointError: the conditions or the sample contain NaN or infinity.
        ValueError: of ``track_codec`` and anchors one is given, or ``dpa`` is given without them.
    """
    _check_conditions(dpa, track_codec, conditions)
    conditions = conditions._replace(z_image=conditions.z_image.float())
    z_video, z_motion, M = sample_initial_noise(conditions, generator, has_motion=mjd.settings.motion)
    closed_loop = dpa is not None
    guidance = encode_first_guidance(track_codec, z_motion, cycle, conditions.frames[0])
    coarse = found = None
    if closed_loop:
        coarse, found = torch.zeros_like(M), torch.zeros_like(M[..., 0]).bool()
    for step, (t, t_next) in enumerate(pairwise(time_grid(flow.steps, flow.shift))):
        is_last = step == flow.steps - 1
        is_looped = closed_loop and cycle.is_looped(step, float(t), is_last=is_last)
        times = t.to(z_video.device).expand(len(z_video))
        v_video, v_motion, s = classifier_free_guidance(  # Eq. 3
            mjd, (z_video, z_motion), conditions, times, guidance, flow.text_guidance_scale
        )
        z_next = None if z_motion is None else euler_step(z_motion, v_motion, t, t_next)  # Eq. 2, as below
        if is_looped:  # MJD -> DPA
            z_coarse = z_next if cycle.reading == "algorithm1_literal" else clean(z_motion, v_motion, t)
            coarse, found = track_codec.decode_tracks(z_coarse, s)
        if closed_loop:
            v_points = dpa(M, coarse, found, conditions.anchors, times, track_codec.point_mask)  # Eq. 4
        if is_looped and cycle.guidance and not is_last:  # DPA -> MJD, in the next step
            guidance = track_codec.encode_guidance(clean(M, v_points, t))
        z_video = replace_first_frame(euler_step(z_video, v_video, t, t_next), conditions.z_image)
        z_motion = z_next
        M = euler_step(M, v_points, t, t_next) if closed_loop else None
    sampled = Sampled(z_video, z_motion, M, s)
    _check_finite("sampled ", sampled, "the weights are damaged, or overflow in this precision")
    return sampled


def sample_initial_noise(
    conditions: Conditions, generator: torch.Generator, *, has_motion: bool = True
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Return the noise from which sampling starts, three tensors: video latents and motion latents (B, V, C, n, h, w), and tracks (B, V, N, K, 3).

    The first latent frame of the videos is the clean latent of the reference image.  The motion is None if the model has none, the tracks are None
    without anchors (the points of frame 0 to track).
    """
    z_image, (frames, latent_frames) = conditions.z_image, conditions.frames
    latents = (*z_image.shape[:3], latent_frames, *z_image.shape[4:])

    def noise(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device).to(z_image)

    z_video = replace_first_frame(noise(latents), z_image)
    z_motion = noise(latents) if has_motion else None
    if conditions.anchors is None:
        return z_video, z_motion, None
    batch, views, points, _ = conditions.anchors.shape
    return z_video, z_motion, noise((batch, views, frames, points, 3))


def classifier_free_guidance(
    mjd: MultiViewJointDiffusion,
    state: tuple[Tensor, Tensor | None],
    conditions: Conditions,
    t: Tensor,
    guidance: Tensor | None,
    scale: float,
) -> MJDOutput:
    """Return the velocities and depth ranges that the joint diffusion model predicts, the videos' velocity with classifier-free guidance.

    This is equation 3 of the SyncMV4D paper.  Motion and depth come from the pass with the prompt alone, since guidance shifts colours, and the
    colours of motion are coordinates.

    Args:
        mjd: the multi-view joint diffusion model.
        state: z_t^V and z_t^Mpv (B, V, C, n, h, w), noisy latents of the videos and of the motion; the latter is None for a model of videos only.
        conditions: image, prompt, empty prompt and intrinsics.
        t: (B,) noise levels.
        guidance: latents of the refined motion (B, V, C, n, h, w), the same with and without the prompt; zeros for none, None without motion.
        scale: scale of classifier-free guidance; 1 is no guidance.
    """

    def predict(text: Tensor) -> MJDOutput:
        output: MJDOutput = mjd(
            *state, conditions.z_image, text, t, guidance, conditions.intrinsics, conditions.baseline
        )
        return output

    conditional = predict(conditions.text)
    if conditions.no_text is None:
        return conditional
    v_without = predict(conditions.no_text).video  # without the prompt
    return conditional._replace(video=v_without + scale * (conditional.video - v_without))


def _check_conditions(
    dpa: DiffusionPointsAligner | None, track_codec: TrackCodec | None, conditions: Conditions
) -> None:
    if (track_codec is None) != (conditions.anchors is None) or (dpa is not None and track_codec is None):
        raise ValueError(
            "dpa, track_codec and conditions.anchors: give all for the closed loop, the last two or none for open loop"
        )
    _check_finite("", conditions, "the encoding of the image or prompt failed")


def _check_finite(kind: str, values: Conditions | Sampled, cause: str) -> None:
    for name, tensor in values._asdict().items():
        if isinstance(tensor, Tensor) and not tensor.isfinite().all():
            raise FloatingPointError(f"{kind}{name} contains NaN or infinity: {cause}")
