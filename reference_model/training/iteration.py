"""One iteration of training, and its end where a loss is no number."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from hoibench.errors import Crash
from reference_model.config import SyncMV4DConfig
from reference_model.cycle.batch import sample_noise
from reference_model.cycle.losses import Losses
from reference_model.cycle.track_codec import Autoencoder
from reference_model.training.checkpoints import save_checkpoint
from reference_model.training.config import LossWeights, TrainingConfig
from reference_model.training.data import TrainingData
from reference_model.training.engine import Engine
from reference_model.training.memory import advised, of_iteration
from reference_model.training.run_folder import RunFolder
from reference_model.training.seeds import generator
from reference_model.training.world import World


@dataclass(frozen=True)
class Training:
    """All that the loop needs.

    Attributes:
        folder: of the run.
        model: the configuration of the model.
        config: of the training.
        data: of each stage.
        autoencoder: E and D, on the engine's device.
        until: iterations after which this session ends.
    """

    folder: RunFolder
    model: SyncMV4DConfig
    config: TrainingConfig
    data: Sequence[TrainingData]
    autoencoder: Autoencoder
    until: int


@dataclass(frozen=True)
class Outcome:
    """What an iteration gave.

    Attributes:
        numbers: for the loss curve: every loss, their weighted sum, the norm of the gradients, the rate, and seconds.
        stop: whether any process was asked to stop.
    """

    numbers: Mapping[str, float]
    stop: bool


def iterate(
    training: Training, engine: Engine, world: World, iteration: int, *, stop_asked: Callable[[], bool]
) -> Outcome:
    """Carry out an iteration; all processes call this.

    Whether to stop is asked once the losses are there, so that a signal during them is obeyed by this iteration.

    What is drawn is a function of seed, iteration, rank and number of processes; the coin of all processes has one seed.

    Raises:
        Crash: a loss or the gradient is NaN or infinite, or memory is full.
        ValueError: as ``TrainingData.sample``, of any process.
    """
    config, begun = training.config, time.perf_counter()
    stage_index = config.stage_at(iteration)
    stage = config.stages[stage_index]
    with world.together():
        sample = training.data[stage_index].sample(iteration, config.batch, world.rank, world.size)
    own = generator(config.seed, "noise", iteration, world.rank, world.size)
    noise = sample_noise(sample.batch, training.model, own, generator(config.seed, "coin", iteration))
    rate = config.rate(iteration)
    where = f"iteration {iteration}, stage {stage.name}, {stage.size[0]}x{stage.size[1]}"
    with advised(where, of_iteration(training.model, config, stage)):
        losses = engine.losses(sample.batch, noise, training.autoencoder, stage.stage)
        loss = weighted(losses, config.weights)
        told = torch.stack([loss, *losses]).detach().double()
        *means, stops = (world.summed(torch.cat([told, told.new_tensor([stop_asked()])])) / world.size).tolist()
        numbers = dict(zip(("loss", *Losses._fields), means, strict=True))
        if not all(map(math.isfinite, means)):
            bad = [name for name, value in zip(Losses._fields, losses, strict=True) if not value.isfinite()]
            _fail(training, engine, world, iteration, ", ".join(bad), sample.clips)
        norm = engine.step(loss, rate)
        if not math.isfinite(norm):
            _fail(training, engine, world, iteration, "gradient", sample.clips)
    numbers |= {"gradient": norm, "rate": rate * config.learning_rate, "seconds": time.perf_counter() - begun}
    return Outcome(numbers, stops > 0)


def weighted(losses: Losses, weights: LossWeights) -> Tensor:
    """The sum of the losses (Algorithm 1, line 12)."""
    return torch.stack([weight * getattr(losses, name) for name, weight in asdict(weights).items()]).sum()


def _fail(training: Training, engine: Engine, world: World, iteration: int, what: str, clips: Sequence[str]) -> None:
    """Save the state that the iteration began with, and stop; the good checkpoints are not touched."""
    config = training.config
    stage, rate = config.stages[config.stage_at(iteration)].name, config.rate(iteration)
    found = [(what, clips) for what, clips in world.gathered((what, clips)) if what]
    folder = training.folder.path / f"failed-{iteration:08d}"
    try:
        save_checkpoint(folder, iteration, engine, world)
        kept = f"The state before this iteration is in {folder}"
    except OSError as error:  # that the disk is full, too, must not hide what happened
        kept = f"The state could not be saved ({error})"
    told = "; ".join(f"{what} of {', '.join(clips)}" for what, clips in found)
    raise Crash(
        f"iteration {iteration}, stage {stage}: NaN or infinite {told}. {kept}; checkpoints written before are as they were."
        f" Look at these clips, or begin anew with a lower learning rate (it was {rate * config.learning_rate:.3g},"
        f" of the points aligner {rate * config.points_learning_rate:.3g}) or clip ({config.clip:g});"
        " where the newest checkpoint ends so again at once, its weights had grown too far: delete it to go on from the one before"
    )
