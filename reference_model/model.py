"""SyncMV4D: the joint diffusion model and the points aligner as one module, as training engines require."""

from __future__ import annotations

from typing import Literal

from torch import nn

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.batch import Batch, Networks, Noise
from reference_model.cycle.joint_step import joint_step
from reference_model.cycle.losses import Losses
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import Autoencoder, Autoencoders, TrackCodec, build_baseline
from reference_model.cycle.warmup_step import warmup_step
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

Objective = Literal["warmup", "joint"]
"""Objective of a training stage (section 4.2 of the SyncMV4D paper): ``warmup`` trains the models separately, ``joint`` trains them in the loop."""


class SyncMV4D(nn.Module):
    """The multi-view joint diffusion model (MJD) and the diffusion points aligner (DPA), trained together (Algorithm 1 of the SyncMV4D paper).

    Args:
        config: the configuration of both.
        mjd: the multi-view joint diffusion model, e.g. from ``reference_model.loading.transformer.load_mjd``; None builds one with random weights.
        dpa: the diffusion points aligner; None builds one with random weights, or none if the configuration has no aligner.
    """

    def __init__(
        self,
        config: SyncMV4DConfig,
        mjd: MultiViewJointDiffusion | None = None,
        dpa: DiffusionPointsAligner | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.mjd = MultiViewJointDiffusion(config.mjd) if mjd is None else mjd
        self.dpa = DiffusionPointsAligner(config.dpa) if dpa is None and config.aligner else dpa

    @property
    def networks(self) -> list[MultiViewJointDiffusion | DiffusionPointsAligner]:
        """The diffusion model, and the points aligner if there is one."""
        return [self.mjd] if self.dpa is None else [self.mjd, self.dpa]

    def build_track_codec(self, batch: Batch, autoencoder: Autoencoder) -> TrackCodec:
        """Return the conversion between motion latents and tracks for the cameras and points of one batch, with the autoencoder of pseudo-videos."""
        cycle = self.config.cycle
        scene_frame = build_scene_frame(batch.cameras, cycle.unit, cycle.prior_depth)
        return TrackCodec(
            autoencoder, batch.cameras, scene_frame, batch.anchors, batch.point_mask, self.config.pseudo_video
        )

    def forward(
        self,
        batch: Batch,
        noise: Noise,
        autoencoders: Autoencoders,
        objective: Objective = "joint",
        networks: Networks = "both",
    ) -> Losses:
        """Return the losses of one training iteration on one batch, with gradients of ``networks`` only.

        Without an aligner there is no loop, and both objectives train the diffusion model alone.  All training processes must call the submodules in
        the same order.
        """
        track_codec = self.build_track_codec(batch, autoencoders.motion)
        if self.config.pseudo_video.first_depth:  # the cache has the depth of every frame
            batch = batch._replace(
                z_motion=track_codec.encode_guidance(track_codec.scene_frame.from_world(batch.world))
            )
        if self.config.mjd.residual:
            batch = batch._replace(
                baseline=build_baseline(
                    batch.z_video[:, :, :, :1], batch.frames, autoencoders.video, batch.cameras, track_codec.scene_frame
                )
            )
        flow, cycle = self.config.flow, self.config.cycle
        if objective == "warmup" or self.dpa is None:
            return warmup_step(self.mjd, self.dpa, batch, noise, track_codec, flow, cycle, networks)
        return joint_step(self.mjd, self.dpa, batch, noise, track_codec, flow, cycle, networks)
