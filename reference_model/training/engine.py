"""What carries out the steps of training: plain or distributed data parallelism here, ZeRO-3 in ``zero3``, behind one interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.losses import Losses
from reference_model.cycle.track_codec import Autoencoder
from reference_model.model import Stage, SyncMV4D
from reference_model.training.config import TrainingConfig
from reference_model.training.memory import SHARE_OUT, advised
from reference_model.training.world import World

EngineName = Literal["ddp", "zero3"]
_STATE = "state.pt"


class Engine(Protocol):
    """A model in training, with its optimizer; every method is called by all processes alike."""

    name: EngineName

    def losses(self, batch: Batch, noise: Noise, autoencoder: Autoencoder, stage: Stage) -> Losses:
        """The losses of this process's batch, on any device; gradients are kept for ``step``."""
        ...

    def step(self, loss: Tensor, rate: float) -> float:
        """Backward, clip, update; ``rate`` multiplies the learning rates.

        Returns:
            The norm of all gradients before clipping; where it is not finite, nothing was updated.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write weights and the optimizer's state into a folder."""
        ...

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """All weights on the CPU, float32; empty on processes that do not lead."""
        ...


def open_engine(name: EngineName, model: SyncMV4D, config: TrainingConfig, world: World) -> Engine:
    """The engine of a name, on a model that it takes over.

    Raises:
        Crash: memory is full.
    """
    ready(model, config, world)
    with advised("the model and its optimizer", SHARE_OUT):
        if name == "zero3":
            from reference_model.training.zero3 import Zero3Engine

            return Zero3Engine(model, config, world)
        return DataParallelEngine(model, config, world)


def ready(model: SyncMV4D, config: TrainingConfig, world: World) -> None:
    """Set what training needs of a model: gradients, gradient checkpointing, and in which precision its two networks compute.

    Autocast covers the networks alone: in bfloat16 a metre is known to 4 mm, so the scene frame, projections, the flow and the losses stay float32.
    """
    model.train().requires_grad_(True)
    for network in (model.mjd, model.dpa):
        if config.gradient_checkpointing:
            network.enable_gradient_checkpointing()
        if config.precision == "bf16":
            network.forward = torch.autocast(world.device.type, torch.bfloat16)(network.forward)


def optimizer_of(model: SyncMV4D, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW, each network at its own rate; only the weights of linear layers and convolutions decay.

    Biases, norms, learned tokens and tables of modulation have a size that means something: decay would pull them to zero for nothing.
    """
    groups = []
    for network, rate in ((model.mjd, config.learning_rate), (model.dpa, config.points_learning_rate)):
        for decays in (True, False):
            parameters = [each for name, each in network.named_parameters() if _is_of_a_map(name, each) == decays]
            decay = config.weight_decay if decays else 0.0
            groups.append({"params": parameters, "lr": rate, "full_rate": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=config.betas)


def _is_of_a_map(name: str, parameter: nn.Parameter) -> bool:
    """Whether a parameter is a matrix or a kernel; tokens and tables have more than one dimension too, but names of their own."""
    return name.endswith(".weight") and parameter.ndim > 1


def set_rate(groups: list[dict[str, Any]], rate: float) -> None:
    """Multiply the learning rates of an optimizer's groups."""
    for group in groups:
        group["lr"] = rate * group["full_rate"]


class DataParallelEngine:
    """Every process holds the whole model; of one process, no more than that process (PyTorch's DistributedDataParallel)."""

    name: EngineName = "ddp"

    def __init__(self, model: SyncMV4D, config: TrainingConfig, world: World) -> None:
        self._model, self._config, self._world = model.to(world.device), config, world
        self._optimizer = optimizer_of(model, config)
        self._module: nn.Module = model
        if world.size > 1:
            places = [world.device] if world.device.type == "cuda" else None
            self._module = DistributedDataParallel(model, device_ids=places)

    def losses(self, batch: Batch, noise: Noise, autoencoder: Autoencoder, stage: Stage) -> Losses:
        """As ``Engine.losses``."""
        device = self._world.device
        losses: Losses = self._module(batch.to(device), noise.to(device), autoencoder, stage)
        return losses

    def step(self, loss: Tensor, rate: float) -> float:
        """As ``Engine.step``."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(nn.utils.clip_grad_norm_(self._model.parameters(), self._config.clip))
        if torch.isfinite(torch.tensor(norm)):
            set_rate(self._optimizer.param_groups, rate)
            self._optimizer.step()
        return norm

    def save(self, folder: Path) -> None:
        """As ``Engine.save``: one file, which process 0 writes."""
        with self._world.together():
            if self._world.leads:
                state = {"model": self._model.state_dict(), "optimizer": self._optimizer.state_dict()}
                torch.save(state, folder / _STATE)

    def load(self, folder: Path) -> None:
        """As ``Engine.load``; from the CPU, since the device need not hold all of it twice."""
        state = torch.load(folder / _STATE, map_location="cpu", weights_only=True, mmap=True)
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])

    def weights(self) -> dict[str, Tensor]:
        """As ``Engine.weights``."""
        if not self._world.leads:
            return {}
        return {name: each.detach().float().cpu() for name, each in self._model.named_parameters()}
