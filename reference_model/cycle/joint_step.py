"""Algorithm 1 of the SyncMV4D paper: one iteration of joint training, with the paper's line numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.batch import Batch, Networks, Noise, select_points
from reference_model.cycle.losses import Losses, alignment_losses, diffusion_losses, gather_losses
from reference_model.cycle.track_codec import TrackCodec, encode_first_guidance
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.rectified_flow import clean, euler_step, interpolate, time_grid


def joint_step(
    mjd: MultiViewJointDiffusion,
    dpa: DiffusionPointsAligner,
    batch: Batch,
    noise: Noise,
    track_codec: TrackCodec,
    flow: FlowConfig,
    cycle: CycleConfig,
    networks: Networks = "both",
) -> Losses:
    """Return the losses of one joint training iteration (Algorithm 1 of the SyncMV4D paper, except the update of the weights in line 13).

    Coarse tracks are decoded from motion latents.  With ``cycle.reading`` ``x0`` these are an estimate of the clean latents; with
    ``algorithm1_literal``, as printed: noisy latents (with the true depth range) in line 7, and after one step of the sampler in line 11.

    Args:
        mjd: the multi-view joint diffusion model.
        dpa: the diffusion points aligner.
        batch: lines 1 to 3, clean latents, tracks and cameras.
        noise: the random numbers of the iteration.
        track_codec: the conversion between motion latents and tracks, for this batch.
        flow: steps and shift of the sampler, for ``algorithm1_literal``.
        cycle: reading of the algorithm, first guidance, and gradient of the coarse tracks.
        networks: the networks to train; the others get no gradient.
    """
    literal = cycle.reading == "algorithm1_literal"
    K = batch.intrinsics if mjd.settings.needs_intrinsics else None
    z_image, anchors, point_mask = batch.z_video[:, :, :, :1], batch.normalized_anchors, batch.point_mask
    M = track_codec.scene_frame.from_world(batch.world)
    t = noise.t  # 5: sample time step t
    z_video = interpolate(batch.z_video, noise.video, t)  # 6: diffuse
    z_motion = interpolate(batch.z_motion, noise.motion, t)
    M_t = interpolate(M, noise.points, t)

    guidance = encode_first_guidance(track_codec, z_motion, cycle, batch.frames, noise.has_anchors)
    if noise.guided:
        with torch.no_grad():
            z_coarse, s_coarse = z_motion, batch.s
            if not literal:  # in place of the output of the previous sampling step
                _, v, s_coarse = mjd(z_video, z_motion, z_image, batch.text, t, guidance, K, batch.baseline)
                z_coarse = clean(z_motion, v, t)
            coarse, found = track_codec.decode_tracks(z_coarse, s_coarse)
            M_tilde = clean(M_t, dpa(M_t, coarse, found, anchors, t, point_mask), t)  # 7: refine without gradient
            guidance = track_codec.encode_guidance(M_tilde)  # 8: project, normalize, encode

    with torch.set_grad_enabled(networks != "dpa"):
        output = mjd(z_video, z_motion, z_image, batch.text, t, guidance, K, batch.baseline)  # 9: co-generate
    mjd_losses = diffusion_losses(output, z_video, z_motion, batch, noise, flow.error_of)
    if networks == "mjd":
        return gather_losses(mjd_losses)
    t_hat = t + grid_step(t, flow) if literal else torch.zeros_like(t)
    z_hat = euler_step(z_motion, output.motion, t, t_hat)  # 10
    coarse, found = track_codec.decode_tracks(z_hat, output.s, cycle.gradient)  # 11: decode the coarse tracks
    anchors, point_mask, M, M_1, M_t, coarse, found = select_points(
        noise.loss_points, anchors, point_mask, M, noise.points, M_t, coarse, found
    )
    v = dpa(M_t, coarse, found, anchors, t, point_mask)  # 11: refine M_t on them
    dpa_losses = alignment_losses(v, M_t, M, M_1, t, point_mask, flow.error_of)
    return gather_losses(mjd_losses, dpa_losses)  # 12


def grid_step(t: Tensor, flow: FlowConfig) -> Tensor:
    """Return the negative time step (B,) from each noise level t (B,): dt in line 10 of Algorithm 1 of the SyncMV4D paper.

    It is as long as the sampler's step that begins at t or next above t, but t + dt is never negative.
    """
    ascending = time_grid(flow.steps, flow.shift).flip(0).to(t.device)
    upper = torch.searchsorted(ascending, t.float()).clamp(1, flow.steps)
    return torch.maximum(ascending[upper - 1] - ascending[upper], -t)
