"""The training loop: resume from a checkpoint, run iterations, log losses, save checkpoints, and stop on a signal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Literal

from hoibench.progress import ProgressCallback
from reference_model.training.checkpoints import (
    delete_old_checkpoints,
    find_latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from reference_model.training.distributed import Processes
from reference_model.training.engine import Engine
from reference_model.training.loss_log import LossEntry, LossLog, open_loss_log
from reference_model.training.step import TrainingJob, train_step

Ending = Literal["done", "stopped"]

_KILLED = 128
_REPEAT_SECONDS = 2.0


def train(job: TrainingJob, engine: Engine, group: Processes, on_progress: ProgressCallback) -> Ending:
    """Train from the newest checkpoint, or from the start, to ``job.until`` or to a stop signal; all processes of the training call this.

    If the checkpoint is that of ``job.until`` already, the engine loads it and the folder is unchanged.

    Returns:
        ``done``, or ``stopped`` after SIGTERM or SIGINT; in both cases there is a checkpoint of the last iteration run.

    Raises:
        Crash: a loss or gradient is NaN or infinite, or memory is full; the message says what to do.
        ValueError: the checkpoint or the data cannot be used, or the checkpoint is beyond ``job.until``.
        OSError: the disk is full; the last checkpoint is unchanged.
    """
    folder, config = job.folder, job.config
    with group.raise_together():
        latest = find_latest_checkpoint(folder.checkpoints) if group.is_main else None
    checkpoint = group.broadcast(latest)
    start = checkpoint.iteration if checkpoint else 0
    if start > job.until:  # its weights are not those after ``until`` iterations
        raise ValueError(
            f"--iterations is {job.until}, but {folder.path} has done {start} already: give at least {start}"
        )
    if checkpoint:
        load_checkpoint(checkpoint, engine, group)
    if start >= job.until:
        return "done"
    if group.is_main:
        folder.append_session(start, group.size)
    with stop_on_signal() as stop, _loss_log(job, start, group) as losses:
        for iteration in range(start, job.until):
            result = train_step(job, engine, group, iteration, should_stop=lambda: stop.is_set)
            done, stage = iteration + 1, config.stages[config.stage_index(iteration)].name
            if losses and done % config.log_every == 0:
                losses.append(LossEntry(iteration=iteration, stage=stage, **result.values))
            if result.should_stop or done % config.save_every == 0 or done == job.until:
                save_checkpoint(folder.checkpoints / f"{done:08d}", done, engine, group)
                if group.is_main:
                    delete_old_checkpoints(folder.checkpoints, config.keep_checkpoints, done)
            on_progress(f"{stage}, iterations", done, job.until)
            if result.should_stop:
                return "stopped"
    return "done"


class StopSignal:
    """Handler of SIGTERM and SIGINT: the first signal sets ``is_set``; a further one, more than two seconds after it, ends the process at once.

    Launchers forward a Ctrl-C that the terminal already sent to all processes, so two signals in quick succession count as one.
    """

    is_set = False
    _time = 0.0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal, as Python calls it: set ``is_set``, or end the process if it was set more than two seconds ago."""
        if not self.is_set:
            self.is_set, self._time = True, time.monotonic()
        elif time.monotonic() - self._time > _REPEAT_SECONDS:
            os._exit(_KILLED + number)  # an exception would not end a process that waits for others or is in C++


@contextmanager
def stop_on_signal() -> Iterator[StopSignal]:
    """Yield a ``StopSignal`` that handles SIGTERM and SIGINT until the ``with`` block ends; then restore the earlier handlers."""
    stop = StopSignal()
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _loss_log(job: TrainingJob, start: int, group: Processes) -> Iterator[LossLog | None]:
    """Yield the run's loss log, open from iteration ``start``, in the main process, and None in others."""
    if not group.is_main:
        yield None
        return
    with open_loss_log(job.folder.losses, start) as losses:
        yield losses
