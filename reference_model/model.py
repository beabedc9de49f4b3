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
        dpa: the diffusion points aligner; None builds one with random weights.
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
        self.dpa = DiffusionPointsAligner(config.dpa) if dpa is None else dpa

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

        All training processes must call the submodules in the same order.
        """
        track_codec = self.build_track_codec(batch, autoencoders.motion)
        if self.config.mjd.residual:
            batch = batch._replace(
                baseline=build_baseline(
                    batch.z_video[:, :, :, :1], batch.frames, autoencoders.video, batch.cameras, track_codec.scene_frame
                )
            )
        step = warmup_step if objective == "warmup" else joint_step
        return step(self.mjd, self.dpa, batch, noise, track_codec, self.config.flow, self.config.cycle, networks)
