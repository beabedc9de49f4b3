"""The warm-up of section 4.2: MJD without guidance, and DPA on true tracks made coarse, neither knowing of the other."""

from __future__ import annotations

import torch

from reference_model.cycle.batch import Batch, Draws
from reference_model.cycle.bridge import Bridge
from reference_model.cycle.flow import clean, interpolate, velocity
from reference_model.cycle.losses import Losses, chamfer, masked_squared_error, squared_error
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

JITTER = 0.1
"""Of the coarse tracks, in the rig's units; like what follows not in paper, which does not tell what DPA sees in the warm-up."""

MISSING = 0.3
"""Share of coarse points that are not found; one sample in ten finds none at all."""


def apart_step(
    mjd: MultiViewJointDiffusion, dpa: DiffusionPointsAligner, batch: Batch, draws: Draws, bridge: Bridge
) -> Losses:
    """The losses of equations 3 and 4, without the autoencoder between them."""
    t, there, M = draws.t, batch.there, bridge.rig.coordinates(batch.world)
    z_video, z_motion = (
        interpolate(z_0, z_1, t) for z_0, z_1 in ((batch.z_video, draws.video), (batch.z_motion, draws.motion))
    )
    K = batch.intrinsics if mjd.settings.scale_tokens_see_K else None
    none = torch.zeros_like(z_motion)
    v_video, v_motion, s = mjd(z_video, z_motion, batch.z_video[:, :, :, :1], batch.text, t, none, K)

    found = (draws.missing > MISSING) & there[:, :, None]
    M_t = interpolate(M, draws.points, t)
    v_points = dpa(M_t, M + JITTER * draws.jitter, found, batch.normal_anchors, t, there)
    return Losses(
        video=squared_error(v_video[:, :, :, 1:], velocity(batch.z_video, draws.video)[:, :, :, 1:]),
        motion=squared_error(v_motion, velocity(batch.z_motion, draws.motion)),
        scale=squared_error(s, batch.s),
        points=masked_squared_error(v_points, velocity(M, draws.points), there),
        chamfer=chamfer(clean(M_t, v_points, t), M, there),
        scale_error=(s.detach() - batch.s).abs().mean(),
    )
