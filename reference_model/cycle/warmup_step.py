"""The warm-up stage of training (section 4.2 of the SyncMV4D paper): the two models are trained separately, without the closed loop."""

from __future__ import annotations

import torch

from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.losses import Losses, chamfer, masked_squared_error, squared_error
from reference_model.cycle.rectified_flow import clean, interpolate, velocity
from reference_model.cycle.track_codec import TrackCodec
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

JITTER = 0.1
"""Standard deviation of the noise that makes true tracks coarse, in units of the scene frame; not in paper."""

DROP_SHARE = 0.3
"""Share of coarse points that are marked as not found, in addition to ``EMPTY_SHARE`` of the samples, which have none; not in paper."""


def warmup_step(
    mjd: MultiViewJointDiffusion, dpa: DiffusionPointsAligner, batch: Batch, noise: Noise, track_codec: TrackCodec
) -> Losses:
    """Return the losses of one warm-up iteration (equations 3 and 4 of the SyncMV4D paper).

    The joint diffusion model gets no guidance, and the coarse tracks of the points aligner are true tracks with noise, some of them hidden.

    Args:
        mjd: the multi-view joint diffusion model.
        dpa: the diffusion points aligner.
        batch: clean latents, tracks and cameras.
        noise: the random numbers of the iteration.
        track_codec: only its scene frame is used.
    """
    t, point_mask, M = noise.t, batch.point_mask, track_codec.scene_frame.from_world(batch.world)
    z_video, z_motion = (
        interpolate(z_0, z_1, t) for z_0, z_1 in ((batch.z_video, noise.video), (batch.z_motion, noise.motion))
    )
    K = batch.intrinsics if mjd.settings.scale_tokens_see_K else None
    no_guidance = torch.zeros_like(z_motion)
    v_video, v_motion, s = mjd(z_video, z_motion, batch.z_video[:, :, :, :1], batch.text, t, no_guidance, K)

    found = (noise.drop_uniform > DROP_SHARE) & point_mask[:, :, None]
    M_t = interpolate(M, noise.points, t)
    v_points = dpa(M_t, M + JITTER * noise.jitter, found, batch.normalized_anchors, t, point_mask)
    return Losses(
        video=squared_error(v_video[:, :, :, 1:], velocity(batch.z_video, noise.video)[:, :, :, 1:]),
        motion=squared_error(v_motion, velocity(batch.z_motion, noise.motion)),
        depth_range=squared_error(s, batch.s),
        points=masked_squared_error(v_points, velocity(M, noise.points), point_mask),
        chamfer=chamfer(clean(M_t, v_points, t), M, point_mask),
        depth_range_error=(s.detach() - batch.s).abs().mean(),
    )
