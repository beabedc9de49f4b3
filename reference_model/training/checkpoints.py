"""Training checkpoints: folders with the weights and the optimizer's state after some iterations; each is complete or absent.

    RUN/checkpoints/00001000/checkpoint.json    ``CheckpointMetadata``: iteration, engine, processes, and the size of every file
    RUN/checkpoints/00001000/...                the engine's files: weights and the optimizer's state

Nothing else is needed to resume: noise, order of clips and learning rates are functions of the run's settings and the iteration.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hoibench.errors import Crash
from hoibench.store.atomic import replace_folder
from hoibench.store.verified_folder import CorruptFolder, FolderMetadata, read_metadata, write_metadata
from hoibench.text import count
from reference_model.training.distributed import Processes, is_lost_process
from reference_model.training.engine import Engine, EngineName
from reference_model.training.out_of_memory import SHARD_HINT, oom_hint

log = logging.getLogger(__name__)

_UNFINISHED = ".unfinished-"


class CheckpointMetadata(FolderMetadata):
    """The metadata of a checkpoint.

    Attributes:
        iteration: number of iterations done.
        engine: name of the engine that wrote it.
        processes: number of processes that wrote it.
    """

    SCHEMA = "hoibench/training-checkpoint@4"
    FILE = "checkpoint.json"
    FIX = "delete it to resume from the one before"

    iteration: int
    engine: EngineName
    processes: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint found to be intact: its folder and its metadata."""

    folder: Path
    metadata: CheckpointMetadata

    @property
    def iteration(self) -> int:
        """The number of iterations done when the checkpoint was written."""
        return self.metadata.iteration


def save_checkpoint(folder: Path, iteration: int, engine: Engine, group: Processes) -> None:
    """Write the weights and the optimizer's state after ``iteration`` iterations to ``folder``; all processes of the training call this.

    They are written to a temporary folder, synced, and renamed, so an interruption leaves earlier checkpoints unchanged.

    Raises:
        OSError: the disk is full or the folder cannot be written; the unfinished folder is removed.
    """
    unfinished = folder.with_name(f"{_UNFINISHED}{folder.name}")
    with group.raise_together():
        if group.is_main:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
    with _removed_on_error(unfinished, folder):
        engine.save(unfinished)
        group.barrier()
        with group.raise_together():
            if group.is_main:
                metadata = CheckpointMetadata(iteration=iteration, engine=engine.name, processes=group.size)
                write_metadata(unfinished, metadata, hashed=False)  # the files are too large to be read again
                replace_folder(unfinished, folder)


def find_latest_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest intact checkpoint in ``folder``, or None if there are no checkpoints; warn of each newer one that is damaged.

    Raises:
        ValueError: there are checkpoints but none is intact and of this version; starting again would delete them.
        OSError: a checkpoint cannot be read; it may be intact.
    """
    paths = _find_checkpoints(folder)
    for path in reversed(paths):
        if checkpoint := _read_if_intact(path):
            return checkpoint
    if paths:
        raise ValueError(
            f"{folder} has no intact checkpoint of this version (found {', '.join(path.name for path in paths)}):"
            " delete them to start again, or give another --out"
        )
    return None


def delete_old_checkpoints(folder: Path, keep: int, iteration: int) -> None:
    """Delete the checkpoints in ``folder`` except the newest ``keep`` intact ones up to ``iteration``, and what killed processes left unfinished.

    Checkpoints of later iterations are damaged; otherwise training would have resumed from them.
    """
    paths = _find_checkpoints(folder)
    intact = [path for path in paths if int(path.name) <= iteration and _read_if_intact(path)]
    for path in paths:
        if path not in intact[-keep:]:
            shutil.rmtree(path)
    for path in (*folder.glob(f"{_UNFINISHED}*"), *folder.glob(".tmp-????????-*")):
        shutil.rmtree(path, ignore_errors=True)


def load_checkpoint(checkpoint: Checkpoint, engine: Engine, group: Processes) -> None:
    """Load a checkpoint's weights and optimizer state into an engine; all processes of the training call this.

    With data parallelism the number of processes may differ from that of the checkpoint, which is logged as a warning.

    Raises:
        Crash: memory is full.
        ValueError: ZeRO-3 saved it with another number of processes, or its contents cannot be read.
    """
    processes = checkpoint.metadata.processes
    if processes != group.size:
        difference = (
            f"{checkpoint.folder} was written by {count(processes, 'process', 'processes')}, now there are {group.size}"
        )
        if engine.name == "zero3":
            raise ValueError(f"{difference}: ZeRO-3 cannot change their number, so start {processes} again")
        if group.is_main:
            log.warning(
                "%s: an iteration now takes %s times as many clips, and different ones",
                difference,
                group.size / processes,
            )
    try:
        with oom_hint(f"reading {checkpoint.folder}", SHARD_HINT):
            engine.load(checkpoint.folder)
    except (RuntimeError, KeyError, EOFError) as error:
        if is_lost_process(error):
            raise
        raise ValueError(f"cannot read {checkpoint.folder} ({error}): {CheckpointMetadata.FIX}") from error


def _find_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of all checkpoints in ``folder``, intact or not, sorted by iteration."""
    paths = (path for path in folder.glob("[0-9]*") if path.name.isdecimal() and path.is_dir())
    return sorted(paths, key=lambda path: int(path.name))


def _read_if_intact(folder: Path) -> Checkpoint | None:
    try:
        return Checkpoint(folder, read_metadata(folder, CheckpointMetadata, check="sizes"))
    except CorruptFolder as error:
        log.warning("skipped the checkpoint %s (%s)", folder, error)
        return None


@contextmanager
def _removed_on_error(unfinished: Path, folder: Path) -> Iterator[None]:
    """Remove the unfinished folder if the block fails, and raise OSError for a full disk, which PyTorch reports as RuntimeError."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        # PyTorch's C++ writer reports any failed write as a RuntimeError of this name.
        if isinstance(error, RuntimeError | Crash) and "inline_container" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from error
        raise
