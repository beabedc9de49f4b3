"""One iteration of training, which ends the training if a loss or gradient is not finite."""

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
from reference_model.cycle.track_codec import Autoencoders
from reference_model.training.checkpoints import save_checkpoint
from reference_model.training.config import LossWeights, TrainingConfig
from reference_model.training.data import TrainingData
from reference_model.training.distributed import Processes
from reference_model.training.engine import Engine
from reference_model.training.out_of_memory import oom_hint, step_hint
from reference_model.training.rng import seeded_generator
from reference_model.training.run_folder import RunFolder


@dataclass(frozen=True)
class TrainingJob:
    """The inputs of the training loop.

    Attributes:
        folder: folder of the run.
        model: configuration of the model.
        config: configuration of the training.
        data: training data of each stage.
        autoencoders: the autoencoders (encoders E and decoders D) of videos and motion, on the engine's device.
        until: this session ends when so many iterations are done, those of earlier sessions included.
    """

    folder: RunFolder
    model: SyncMV4DConfig
    config: TrainingConfig
    data: Sequence[TrainingData]
    autoencoders: Autoencoders
    until: int


@dataclass(frozen=True)
class StepResult:
    """The result of one training iteration.

    Attributes:
        values: numbers of a ``LossEntry`` by name: losses and their weighted sum (means over all processes), gradient norms, learning rate, seconds.
        should_stop: whether any process received a stop signal.
    """

    values: Mapping[str, float]
    should_stop: bool


def train_step(
    job: TrainingJob, engine: Engine, group: Processes, iteration: int, *, should_stop: Callable[[], bool]
) -> StepResult:
    """Run one training iteration: load a batch, compute the losses, and update the weights; all processes of the training call this.

    ``should_stop`` is called after the losses are computed, so that a signal during their computation ends the training with this iteration.

    Noise is a function of seed, iteration, rank and number of processes; the choice of whether to compute guidance is the same on all processes.

    Raises:
        Crash: a loss or the gradient is NaN or infinite, or memory is full.
        ValueError: a file of the latent cache is damaged, on any process (a ``CorruptFolder``).
    """
    config, start = job.config, time.perf_counter()
    stage_index = config.stage_index(iteration)
    stage = config.stages[stage_index]
    with group.raise_together():
        loaded = job.data[stage_index].load_batch(iteration, config.batch_size, group.rank, group.size)
    own_rng = seeded_generator(config.seed, "noise", iteration, group.rank, group.size)
    noise = sample_noise(loaded.batch, job.model, own_rng, seeded_generator(config.seed, "coin", iteration))
    lr_factor = config.lr_factor(iteration)
    where = f"iteration {iteration}, stage {stage.name}, {stage.size[0]}x{stage.size[1]}"
    with oom_hint(where, step_hint(job.model, config, stage)):
        losses = engine.losses(loaded.batch, noise, job.autoencoders, stage)
        loss = weighted_sum(losses, config.loss_weights)
        own = torch.stack([loss, *losses]).detach().double()
        totals = group.all_reduce(torch.cat([own, own.new_tensor([should_stop()])]))
        *means, stops = (totals / group.size).tolist()
        values = dict(zip(("loss", *Losses._fields), means, strict=True))
        if not all(map(math.isfinite, means)):
            bad = [name for name, value in zip(Losses._fields, losses, strict=True) if not value.isfinite()]
            _fail(job, engine, group, iteration, ", ".join(bad), loaded.clips)
        norms = engine.step(loss, lr_factor)
        if not norms.are_finite:
            _fail(job, engine, group, iteration, "gradient", loaded.clips)
    values |= {
        "mjd_gradient_norm": norms.mjd,
        "dpa_gradient_norm": norms.dpa,
        "learning_rate": lr_factor * config.learning_rate,
        "seconds": time.perf_counter() - start,
    }
    return StepResult(values, stops > 0)


def weighted_sum(losses: Losses, weights: LossWeights) -> Tensor:
    """Return the weighted sum of the losses, a scalar (Algorithm 1, line 12, of the SyncMV4D paper); ``depth_range_error`` has no weight."""
    return torch.stack([weight * getattr(losses, name) for name, weight in asdict(weights).items()]).sum()


def _fail(
    job: TrainingJob, engine: Engine, group: Processes, iteration: int, quantity: str, clips: Sequence[str]
) -> None:
    """Save the state before this iteration to ``RUN/failed-ITERATION``, and raise Crash with a message that names the clips; keep all checkpoints."""
    config = job.config
    stage, lr_factor = config.stages[config.stage_index(iteration)].name, config.lr_factor(iteration)
    faults = [(quantity, clips) for quantity, clips in group.all_gather((quantity, clips)) if quantity]
    folder = job.folder.path / f"failed-{iteration:08d}"
    try:
        save_checkpoint(folder, iteration, engine, group)
        saved = f"The state before this iteration is in {folder}"
    except OSError as error:  # a full disk must not hide the first error
        saved = f"The state could not be saved ({error})"
    described = "; ".join(f"{quantity} of {', '.join(clips)}" for quantity, clips in faults)
    raise Crash(
        f"iteration {iteration}, stage {stage}: NaN or infinite {described}. {saved}; earlier checkpoints are unchanged."
        f" Check these clips, or start again with a lower learning rate (now {lr_factor * config.learning_rate:.3g},"
        f" of the points aligner {lr_factor * config.dpa_learning_rate:.3g}) or max_grad_norm ({config.max_grad_norm:g});"
        " if resuming from the newest checkpoint fails again at once, its weights are too large: delete it to resume from the one before"
    )
