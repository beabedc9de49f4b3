"""SyncMV4D whole: both diffusion models as one module, which is what training engines ask for."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from torch import nn

from reference_model.config import SyncMV4DConfig
from reference_model.cycle.apart import apart_step
from reference_model.cycle.batch import Batch, Draws
from reference_model.cycle.bridge import Autoencoder, Bridge
from reference_model.cycle.joint_step import joint_step
from reference_model.cycle.losses import Losses
from reference_model.cycle.rig import rig_of
from reference_model.dpa.model import DiffusionPointsAligner
from reference_model.mjd.model import MultiViewJointDiffusion

Stage = Literal["apart", "joint"]
"""Section 4.2: the warm-up trains both models apart, then the whole is trained in the loop."""


class SyncMV4D(nn.Module):
    """MJD and DPA, trained together (Algorithm 1).

    Args:
        config: the model.
        mjd: the multi-view joint diffusion model, e.g. of ``reference_model.wan.load_mjd``; None builds one of random weights.
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
        self.mjd = MultiViewJointDiffusion(**asdict(config.mjd)) if mjd is None else mjd
        self.dpa = DiffusionPointsAligner(**asdict(config.dpa)) if dpa is None else dpa

    def bridge(self, batch: Batch, autoencoder: Autoencoder) -> Bridge:
        """The way between the two models for one batch."""
        rig = rig_of(batch.cameras, self.config.cycle.unit)
        return Bridge(autoencoder, batch.cameras, rig, batch.anchors, batch.there, self.config.pseudo_video)

    def forward(self, batch: Batch, draws: Draws, autoencoder: Autoencoder, stage: Stage = "joint") -> Losses:
        """The losses of one iteration on one batch; all submodules are called in the same order on all ranks."""
        bridge = self.bridge(batch, autoencoder)
        if stage == "apart":
            return apart_step(self.mjd, self.dpa, batch, draws, bridge)
        return joint_step(self.mjd, self.dpa, batch, draws, bridge, self.config.flow, self.config.cycle)
