"""The warm-up stage of training (section 4.2 of the SyncMV4D paper): the two models are trained separately, without the closed loop."""

from __future__ import annotations

from torch import Tensor

from reference_model.config import CycleConfig, FlowConfig
from reference_model.cycle.batch import Batch, Networks, Noise, select_points
from reference_model.cycle.losses import Losses, alignment_losses, diffusion_losses, gather_losses
from reference_model.cycle.track_codec import TrackCodec, encode_first_guidance
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion
from reference_model.rectified_flow import interpolate

JITTER = 0.1
"""Standard deviation of the noise that makes true tracks coarse, in units of the scene frame; not in paper."""

DROP_SHARE = 0.3
"""Share of coarse points that are marked as not found, in addition to ``EMPTY_SHARE`` of the samples, which have none; not in paper."""

GUIDANCE_JITTER = 0.02
"""Standard deviation of the noise of tracks in the guidance of the warm-up, in units of the scene frame; not in paper."""


def warmup_step(
    mjd: MultiViewJointDiffusion,
    dpa: DiffusionPointsAligner | None,
    batch: Batch,
    noise: Noise,
    track_codec: TrackCodec,
    flow: FlowConfig,
    cycle: CycleConfig,
    networks: Networks = "both",
) -> Losses:
    """Return the losses of one warm-up iteration (equations 3 and 4 of the SyncMV4D paper).

    The joint diffusion model gets its first guidance, or with ``cycle.warmup_guidance`` that of true tracks with a share of their motion; the coarse
    tracks of the points aligner are true tracks with noise, some of them hidden.

    Args:
        mjd: the multi-view joint diffusion model.
        dpa: the diffusion points aligner, or None if there is none to train.
        batch: clean latents, tracks and cameras.
        noise: the random numbers of the iteration.
        track_codec: its scene frame, and the encoder of guidance.
        flow: the quantity whose error is squared.
        cycle: the first guidance, and whether iterations with guidance show true tracks.
        networks: the networks to train; the others are not called.
    """
    t, point_mask, anchors = noise.t, batch.point_mask, batch.normalized_anchors
    mjd_losses, dpa_losses = {}, {}
    if networks != "dpa":
        z_video = interpolate(batch.z_video, noise.video, t)
        z_motion = interpolate(batch.z_motion, noise.motion, t) if mjd.settings.motion else None
        K = batch.intrinsics if mjd.settings.needs_intrinsics else None
        guidance = encode_first_guidance(track_codec, z_motion, cycle, batch.frames, noise.has_anchors)
        if noise.guided and cycle.warmup_guidance:
            guidance = track_codec.encode_guidance(
                _shrink_motion(track_codec.scene_frame.from_world(batch.world), noise)
            )
        output = mjd(z_video, z_motion, batch.z_video[:, :, :, :1], batch.text, t, guidance, K, batch.baseline)
        mjd_losses = diffusion_losses(output, z_video, z_motion, batch, noise, flow.error_of)
    if dpa is not None and networks != "mjd":
        found = (noise.drop_uniform > DROP_SHARE) & point_mask[:, :, None]
        M = track_codec.scene_frame.from_world(batch.world)
        anchors, point_mask, M, M_1, jitter, found = select_points(
            noise.loss_points, anchors, point_mask, M, noise.points, noise.jitter, found
        )
        M_t = interpolate(M, M_1, t)
        v = dpa(M_t, M + JITTER * jitter, found, anchors, t, point_mask)
        dpa_losses = alignment_losses(v, M_t, M, M_1, t, point_mask, flow.error_of)
    return gather_losses(mjd_losses, dpa_losses)


def _shrink_motion(M: Tensor, noise: Noise) -> Tensor:
    """Return true tracks (B, V, N, K, 3) with a random share of their motion since frame 0, and with noise."""
    share = noise.motion_share.view(-1, 1, 1, 1, 1)
    return M[:, :, :1] + share * (M - M[:, :, :1]) + GUIDANCE_JITTER * noise.jitter
