"""Training engines behind one interface: data parallelism, or DeepSpeed's ZeRO-3 (section 4.2 of the SyncMV4D paper)."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from reference_model.cycle.batch import Batch, Noise
from reference_model.cycle.losses import Losses
from reference_model.cycle.track_codec import Autoencoders
from reference_model.model import SyncMV4D
from reference_model.training.config import LAUNCH_FOLDER, TrainingConfig, TrainingStage
from reference_model.training.distributed import Processes
from reference_model.training.out_of_memory import SHARD_HINT, oom_hint

EngineName = Literal["ddp", "zero3"]
_STATE, _ZERO3_TAG = "state.pt", "zero3"


class GradientNorms(NamedTuple):
    """The norms of the gradients of both networks before clipping; each network is clipped on its own.

    The points aligner's gradient is tens to hundreds of times larger at low noise levels, so one norm over both would scale down the diffusion
    model's gradient with it.

    Attributes:
        mjd: norm of the joint diffusion model's gradient.
        dpa: norm of the points aligner's gradient; 0 without one.
    """

    mjd: float
    dpa: float = 0.0

    @property
    def are_finite(self) -> bool:
        """False if a gradient is NaN or infinite."""
        return all(map(math.isfinite, self))


class Engine(Protocol):
    """A model in training with its optimizer; all processes of the training call every method.

    Attributes:
        name: name of the engine.
        model: the model, whose weights may be sharded over the processes.
    """

    name: EngineName
    model: SyncMV4D

    def losses(self, batch: Batch, noise: Noise, autoencoders: Autoencoders, stage: TrainingStage) -> Losses:
        """Run the model on this process's batch, and return its losses for ``step``.

        Args:
            batch: the batch.
            noise: the random numbers of the iteration.
            autoencoders: the frozen autoencoders of videos and motion, on the engine's device.
            stage: the stage of training, for its objective and the networks that it trains.
        """
        ...

    def step(self, loss: Tensor, lr_factor: float) -> GradientNorms:
        """Backpropagate a loss, clip the gradients of each network, and update the weights; ``lr_factor`` multiplies the learning rates.

        Returns:
            The norms before clipping; if one is not finite, no weight was updated.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the weights and the optimizer's state to files in an existing folder."""
        ...

    def load(self, folder: Path) -> None:
        """Load the weights and the optimizer's state that ``save`` wrote to a folder."""
        ...

    def weights(self) -> dict[str, Tensor]:
        """Return the model's parameters by name, float32 on the CPU, in the main process; an empty dict in others."""
        ...


def open_engine(name: EngineName, model: SyncMV4D, config: TrainingConfig, group: Processes) -> Engine:
    """Build an engine that trains ``model``, whose weights it changes in place or shards.

    Raises:
        Crash: memory is full.
    """
    if model.dpa is None and (stages := [each.name for each in config.stages if each.networks == "dpa"]):
        raise ValueError(f"stage {stages[0]} trains the points aligner, which this model lacks: leave the stage out")
    configure_model(model, config, group)
    with oom_hint("the model and its optimizer", SHARD_HINT):
        if name == "zero3":
            return Zero3Engine(model, config, group)
        return DataParallelEngine(model, config, group)


def configure_model(model: SyncMV4D, config: TrainingConfig, group: Processes) -> None:
    """Prepare a model for training, in place: enable gradients and, as configured, gradient checkpointing and bfloat16.

    Only the two networks run under autocast: bfloat16 resolves a metre to 4 mm, so world frames, projections, the flow and the losses stay float32.
    """
    model.train().requires_grad_(True)
    for network in model.networks:
        if config.gradient_checkpointing:
            network.enable_gradient_checkpointing()
        if config.precision == "bf16":
            network.forward = torch.autocast(group.device.type, torch.bfloat16)(network.forward)


def build_optimizer(model: SyncMV4D, config: TrainingConfig) -> torch.optim.AdamW:
    """Build AdamW with a learning rate for the diffusion model (MJD) and one for the points aligner (DPA).

    Weight decay applies only to the weights of linear layers and convolutions.  Biases, norms, learned tokens and modulation tables do not decay:
    their size carries meaning.
    """
    groups = []
    for network, rate in zip(model.networks, (config.learning_rate, config.dpa_learning_rate), strict=False):
        for decays in (True, False):
            parameters = [each for name, each in network.named_parameters() if _decays(name, each) == decays]
            decay = config.weight_decay if decays else 0.0
            groups.append({"params": parameters, "lr": rate, "base_lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=config.betas)


def _decays(name: str, parameter: nn.Parameter) -> bool:
    """Return whether weight decay applies: to matrices and kernels; learned tokens and tables have several dimensions too, but other names."""
    return name.endswith(".weight") and parameter.ndim > 1


def _scale_learning_rates(param_groups: list[dict[str, Any]], factor: float) -> None:
    for each in param_groups:
        each["lr"] = factor * each["base_lr"]


class DataParallelEngine:
    """Engine of data parallelism: every process has the complete model; several processes use PyTorch's DistributedDataParallel."""

    name: EngineName = "ddp"

    def __init__(self, model: SyncMV4D, config: TrainingConfig, group: Processes) -> None:
        self.model, self._config, self._group = model.to(group.device), config, group
        self._optimizer = build_optimizer(model, config)
        self._module: nn.Module = model
        if group.size > 1:
            devices = [group.device] if group.device.type == "cuda" else None
            trains_one = model.dpa is not None and any(stage.networks != "both" for stage in config.stages)
            self._module = DistributedDataParallel(model, device_ids=devices, find_unused_parameters=trains_one)

    def losses(self, batch: Batch, noise: Noise, autoencoders: Autoencoders, stage: TrainingStage) -> Losses:
        """Run the model on this process's batch, and return its losses; see ``Engine.losses``."""
        device = self._group.device
        losses: Losses = self._module(batch.to(device), noise.to(device), autoencoders, stage.objective, stage.networks)
        return losses

    def step(self, loss: Tensor, lr_factor: float) -> GradientNorms:
        """Backpropagate, clip and update the weights; return the norms of the gradients before clipping (``Engine.step``)."""
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        largest = self._config.max_grad_norm
        norms = GradientNorms(
            *(float(nn.utils.clip_grad_norm_(each.parameters(), largest)) for each in self.model.networks)
        )
        if norms.are_finite:
            _scale_learning_rates(self._optimizer.param_groups, lr_factor)
            self._optimizer.step()
        return norms

    def save(self, folder: Path) -> None:
        """Write the weights and the optimizer's state to ``state.pt`` in a folder, by the main process alone."""
        with self._group.raise_together():
            if self._group.is_main:
                state = {"model": self.model.state_dict(), "optimizer": self._optimizer.state_dict()}
                torch.save(state, folder / _STATE)

    def load(self, folder: Path) -> None:
        """Load weights and optimizer state from ``state.pt`` in a folder; through the CPU, since the device may not have room for two copies."""
        state = torch.load(folder / _STATE, map_location="cpu", weights_only=True, mmap=True)
        self.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])

    def weights(self) -> dict[str, Tensor]:
        """Return the parameters by name, float32 on the CPU, in the main process; an empty dict in others."""
        if not self._group.is_main:
            return {}
        return {name: each.detach().float().cpu() for name, each in self.model.named_parameters()}


class Zero3Engine:
    """Engine of DeepSpeed's ZeRO-3: weights, gradients and the optimizer's state are sharded over all processes.

    All processes must call the same networks in the same order, since each call gathers weights from all.
    """

    name: EngineName = "zero3"

    def __init__(self, model: SyncMV4D, config: TrainingConfig, group: Processes) -> None:
        if any(stage.networks != "both" for stage in config.stages):
            raise ValueError(
                "a stage trains one network (networks = 'mjd' or 'dpa'), which --engine zero3 does not support: give --engine ddp"
            )
        if group.device.type == "cpu":
            os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when deepspeed is imported
        os.environ.setdefault("LOCAL_RANK", "0")  # for a single process without a launcher
        import deepspeed

        self._config, self._group = config, group
        self._engine, *_ = deepspeed.initialize(
            model=model,
            optimizer=build_optimizer(model, config),
            config=_deepspeed_config(config),
            dist_init_required=False,
        )
        self.model: SyncMV4D = self._engine.module

    def losses(self, batch: Batch, noise: Noise, autoencoders: Autoencoders, stage: TrainingStage) -> Losses:
        """Run the sharded model on this process's batch, and return its losses; see ``Engine.losses``."""
        device = self._group.device
        losses: Losses = self._engine(batch.to(device), noise.to(device), autoencoders, stage.objective, stage.networks)
        return losses

    def step(self, loss: Tensor, lr_factor: float) -> GradientNorms:
        """Backpropagate, clip and update the weights; return the norms of the gradients before clipping (``Engine.step``).

        DeepSpeed (0.19.8, not yet 0.19.0) skips an update if a gradient is not finite.
        """
        _scale_learning_rates(self._engine.optimizer.param_groups, lr_factor)
        self._engine.backward(loss)
        norms = self._clip_gradients()
        self._engine.step()
        return norms

    def _clip_gradients(self) -> GradientNorms:
        """Clip the gradients of each network, of which every process holds a shard; DeepSpeed's own clipping knows one norm over all parameters."""
        from deepspeed.utils import safe_get_local_grad, safe_set_local_grad

        networks = [list(each.parameters()) for each in self.model.networks]
        own = [torch.stack([safe_get_local_grad(each).norm() for each in network]).norm() for network in networks]
        norms = GradientNorms(*self._group.all_reduce(torch.stack(own).square()).sqrt().tolist())
        for network, norm in zip(networks, norms, strict=True):
            if norm > self._config.max_grad_norm:
                for each in network:
                    safe_set_local_grad(each, safe_get_local_grad(each) * (self._config.max_grad_norm / norm))
        return norms

    def save(self, folder: Path) -> None:
        """Write the weights and the optimizer's state to a folder; every process writes its own shards."""
        self._engine.save_checkpoint(str(folder), tag=_ZERO3_TAG, save_latest=False)

    def load(self, folder: Path) -> None:
        """Load the weights and the optimizer's state from a folder, with as many processes as saved it."""
        self._engine.load_checkpoint(str(folder), tag=_ZERO3_TAG)

    def weights(self) -> dict[str, Tensor]:
        """Return the parameters by name, float32 on the CPU, in the main process; an empty dict in others.

        They are the optimizer's float32 copies, gathered from all processes one by one.
        """
        from deepspeed.utils import safe_get_full_fp32_param

        gathered: dict[str, Tensor] = {}
        for name, parameter in self.model.named_parameters():
            full = safe_get_full_fp32_param(parameter)  # a collective operation
            if self._group.is_main:
                gathered[name] = full.detach().to("cpu", torch.float32, copy=True)
        return gathered


def _deepspeed_config(config: TrainingConfig) -> dict[str, Any]:
    """Return DeepSpeed's configuration: ``launch/zero3.json`` with the training's batch size and precision."""
    shared: dict[str, Any] = json.loads((LAUNCH_FOLDER / "zero3.json").read_text())
    return {
        **shared,
        "train_micro_batch_size_per_gpu": config.batch_size,
        "gradient_clipping": 0.0,  # the engine clips each network
        "bf16": {"enabled": config.precision == "bf16"},
    }
