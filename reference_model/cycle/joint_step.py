"""Algorithm 1 of the SyncMV4D paper: one iteration of joint training, with the paper's line numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.losses import Losses, chamfer, masked_squared_error, squared_error
from reference_model.cycle.rectified_flow import clean, interpolate, time_grid, velocity
from reference_model.cycle.track_codec import TrackCodec
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion


def joint_step(
    mjd: MultiViewJointDiffusion,
    dpa: DiffusionPointsAligner,
    batch: Batch,
    noise: Noise,
    track_codec: TrackCodec,
    flow: FlowConfig,
    cycle: CycleConfig,
) -> Losses:
    """Return the losses of one joint training iteration (Algorithm 1 of the SyncMV4D paper, except the update of the weights in line 13).

    The coarse tracks that the points aligner refines are decoded from motion latents.  With ``cycle.reading`` ``x0`` these are an estimate of the
    clean latents; with ``algorithm1_literal``, as printed: noisy latents (with the true depth range) in line 7, and noisy latents after one step
    of the sampler in line 11.

    Args:
        mjd: the multi-view joint diffusion model.
        dpa: the diffusion points aligner.
        batch: lines 1 to 3, clean latents, tracks and cameras.
        noise: the random numbers of the iteration.
        track_codec: the conversion between motion latents and tracks, for this batch.
        flow: steps and shift of the sampler, for ``algorithm1_literal``.
        cycle: reading of the algorithm, and gradient of the coarse tracks.
    """
    literal = cycle.reading == "algorithm1_literal"
    K = batch.intrinsics if mjd.settings.scale_tokens_see_K else None
    z_image, anchors, point_mask = batch.z_video[:, :, :, :1], batch.normalized_anchors, batch.point_mask
    M = track_codec.scene_frame.from_world(batch.world)
    t = noise.t  # 5: sample time step t
    z_video = interpolate(batch.z_video, noise.video, t)  # 6: diffuse
    z_motion = interpolate(batch.z_motion, noise.motion, t)
    M_t = interpolate(M, noise.points, t)

    guidance = torch.zeros_like(z_motion)
    if noise.guided:
        with torch.no_grad():
            z_coarse, s_coarse = z_motion, batch.s
            if not literal:  # in place of the output of the previous sampling step
                _, v, s_coarse = mjd(z_video, z_motion, z_image, batch.text, t, guidance, K)
                z_coarse = clean(z_motion, v, t)
            coarse, found = track_codec.decode_tracks(z_coarse, s_coarse)
            M_tilde = clean(M_t, dpa(M_t, coarse, found, anchors, t, point_mask), t)  # 7: refine without gradient
            guidance = track_codec.encode_guidance(M_tilde)  # 8: project, normalize, encode

    v_video, v_motion, s = mjd(z_video, z_motion, z_image, batch.text, t, guidance, K)  # 9: co-generate with guidance
    dt = grid_step(t, flow) if literal else -t
    z_hat = z_motion + dt.view(-1, *[1] * (z_motion.ndim - 1)) * v_motion  # 10
    coarse, found = track_codec.decode_tracks(z_hat, s, cycle.gradient)  # 11: decode the coarse tracks
    v_points = dpa(M_t, coarse, found, anchors, t, point_mask)  # 11: refine M_t on them
    M_bar = clean(M_t, v_points, t)

    return Losses(  # 12: L_MJD (equation 3) and L_DPA (equation 4)
        video=squared_error(v_video[:, :, :, 1:], velocity(batch.z_video, noise.video)[:, :, :, 1:]),
        motion=squared_error(v_motion, velocity(batch.z_motion, noise.motion)),
        depth_range=squared_error(s, batch.s),
        points=masked_squared_error(v_points, velocity(M, noise.points), point_mask),
        chamfer=chamfer(M_bar, M, point_mask),
        depth_range_error=(s.detach() - batch.s).abs().mean(),
    )


def grid_step(t: Tensor, flow: FlowConfig) -> Tensor:
    """Return the negative time step (B,) from each noise level t (B,): dt in line 10 of Algorithm 1 of the SyncMV4D paper.

    It is as long as the sampler's step that begins at t or next above t, but t + dt is never negative.
    """
    ascending = time_grid(flow.steps, flow.shift).flip(0).to(t.device)
    upper = torch.searchsorted(ascending, t.float()).clamp(1, flow.steps)
    return torch.maximum(ascending[upper - 1] - ascending[upper], -t)
