"""DeepSpeed's ZeRO-3: weights, gradients and the optimizer's state are shared out over all processes (section 4.2)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.losses import Losses
from reference_model.cycle.track_codec import Autoencoder
from reference_model.model import Stage, SyncMV4D
from reference_model.training.config import LAUNCH, TrainingConfig
from reference_model.training.engine import EngineName, optimizer_of, set_rate
from reference_model.training.world import World

_TAG = "zero3"


class Zero3Engine:
    """As ``reference_model.training.engine.Engine``.

    All processes must call the same networks in the same order, since each call gathers weights from all.
    """

    name: EngineName = "zero3"

    def __init__(self, model: SyncMV4D, config: TrainingConfig, world: World) -> None:
        if world.device.type == "cpu":
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when deepspeed is imported
        os.environ.setdefault("LOCAL_RANK", "0")  # of a single process, without a launcher
        import deepspeed

        self._world = world
        self._engine, *_ = deepspeed.initialize(
            model=model, optimizer=optimizer_of(model, config), config=settings(config), dist_init_required=False
        )

    def losses(self, batch: Batch, noise: Noise, autoencoder: Autoencoder, stage: Stage) -> Losses:
        """As ``Engine.losses``."""
        device = self._world.device
        losses: Losses = self._engine(batch.to(device), noise.to(device), autoencoder, stage)
        return losses

    def step(self, loss: Tensor, rate: float) -> float:
        """As ``Engine.step``; DeepSpeed (0.19.8, not yet 0.19.0) itself skips an update whose norm is NaN or infinite, and tells infinity."""
        set_rate(self._engine.optimizer.param_groups, rate)
        self._engine.backward(loss)
        self._engine.step()
        return float(self._engine.get_global_grad_norm())

    def save(self, folder: Path) -> None:
        """As ``Engine.save``: a file of each process."""
        self._engine.save_checkpoint(str(folder), tag=_TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        """As ``Engine.load``; by as many processes as saved it."""
        self._engine.load_checkpoint(str(folder), tag=_TAG)

    def weights(self) -> dict[str, Tensor]:
        """As ``Engine.weights``: the optimizer's own float32 copies, gathered one by one."""
        from deepspeed.utils import safe_get_full_fp32_param

        gathered: dict[str, Tensor] = {}
        for name, parameter in self._engine.module.named_parameters():
            whole = safe_get_full_fp32_param(parameter)  # all processes take part
            if self._world.leads:
                gathered[name] = whole.detach().to("cpu", torch.float32, copy=True)
        return gathered


def settings(config: TrainingConfig) -> dict[str, Any]:
    """DeepSpeed's configuration: ``launch/zero3.json``, and what the training's own says."""
    shared: dict[str, Any] = json.loads((LAUNCH / "zero3.json").read_text())
    return {
        **shared,
        "train_micro_batch_size_per_gpu": config.batch,
        "gradient_clipping": config.clip,
        "bf16": {"enabled": config.precision == "bf16"},
    }
