"""SyncMV4D: both diffusion models as one module, as training engines require."""

from __future__ import annotations

from typing import Literal

from torch import nn

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.joint_step import joint_step
from reference_model.cycle.losses import Losses
from reference_model.cycle.scene_frame import build_scene_frame
from reference_model.cycle.track_codec import Autoencoder, TrackCodec
from reference_model.cycle.warmup_step import warmup_step
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

Stage = Literal["warmup", "joint"]
"""Section 4.2: the warm-up trains the two models separately, then both are trained in the loop."""


class SyncMV4D(nn.Module):
    """MJD and DPA, trained together (Algorithm 1).

    Args:
        config: the model.
        mjd: the multi-view joint diffusion model, e.g. from ``reference_model.loading.transformer.load_mjd``; None builds one with random weights.
        dpa: the points aligner, likewise.
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
        """Build the conversion between latents and tracks of one batch."""
        scene_frame = build_scene_frame(batch.cameras, self.config.cycle.unit)
        return TrackCodec(
            autoencoder, batch.cameras, scene_frame, batch.anchors, batch.point_mask, self.config.pseudo_video
        )

    def forward(self, batch: Batch, noise: Noise, autoencoder: Autoencoder, stage: Stage = "joint") -> Losses:
        """Compute the losses of one iteration on one batch; all ranks call the submodules in the same order."""
        track_codec = self.build_track_codec(batch, autoencoder)
        if stage == "warmup":
            return warmup_step(self.mjd, self.dpa, batch, noise, track_codec)
        return joint_step(self.mjd, self.dpa, batch, noise, track_codec, self.config.flow, self.config.cycle)
