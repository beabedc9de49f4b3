"""The loop of training: draw, forward, backward, step; log, save, and stop in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from hoibench.progress import ProgressCallback
from reference_model.training.checkpoints import keep_newest, latest_checkpoint, load_checkpoint, save_checkpoint
from reference_model.training.engine import Engine
from reference_model.training.iteration import Training, iterate
from reference_model.training.loss_log import LossLog, LossPoint, loss_log
from reference_model.training.signals import heeding
from reference_model.training.world import World

Ending = Literal["done", "stopped"]


def train(training: Training, engine: Engine, world: World, on_progress: ProgressCallback) -> Ending:
    """Train from the newest checkpoint to the end, or until a signal asks for an end; all processes call this.

    Where that checkpoint is the end already, the engine holds it and the folder is left as it is.

    Returns:
        ``done``, or ``stopped`` where a signal did that; either way a checkpoint is there.

    Raises:
        Crash: a loss or gradient is NaN or infinite, or memory is full; says what to do.
        ValueError: the checkpoint cannot be gone on from, or data cannot be trained on.
        OSError: the disk is full; the last checkpoint is as it was.
    """
    folder, config = training.folder, training.config
    with world.together():
        newest = latest_checkpoint(folder.checkpoints) if world.leads else None
    checkpoint = world.agreed(newest)
    begun = checkpoint.iteration if checkpoint else 0
    if checkpoint:
        load_checkpoint(checkpoint, engine, world)
    if begun >= training.until:
        return "done"
    if world.leads:
        folder.note_session(begun, world.size)
    with heeding() as stop, _curve(training, begun, world) as curve:
        for iteration in range(begun, training.until):
            outcome = iterate(training, engine, world, iteration, stop_asked=lambda: stop.asked)
            done, stage = iteration + 1, config.stages[config.stage_at(iteration)].name
            if curve and done % config.log_every == 0:
                curve.write(LossPoint(iteration=iteration, stage=stage, **outcome.numbers))
            if outcome.stop or done % config.save_every == 0 or done == training.until:
                save_checkpoint(folder.checkpoints / f"{done:08d}", done, engine, world)
                if world.leads:
                    keep_newest(folder.checkpoints, config.keep, done)
            on_progress(f"{stage}, iterations", done, training.until)
            if outcome.stop:
                return "stopped"
    return "done"


@contextmanager
def _curve(training: Training, begun: int, world: World) -> Iterator[LossLog | None]:
    """The loss curve, which one process writes."""
    if not world.leads:
        yield None
        return
    with loss_log(training.folder.losses, begun) as curve:
        yield curve
