"""Checkpoints of a training: folders that are whole or not there.

    RUN/checkpoints/00001000/checkpoint.json    ``CheckpointMetadata``: iteration, engine, processes, and the size of every file
    RUN/checkpoints/00001000/...                what the engine wrote: weights and the optimizer's state

Nothing else is needed to go on: noise, order of clips and learning rates are functions of the iteration.
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
from hoibench.store.sealed_folder import CorruptFolder, FolderMetadata, read_metadata, seal
from reference_model.training.engine import Engine, EngineName
from reference_model.training.memory import SHARE_OUT, advised
from reference_model.training.world import World, tells_of_a_lost_process

log = logging.getLogger(__name__)

_UNFINISHED = ".unfinished-"


class CheckpointMetadata(FolderMetadata):
    """The metadata of a checkpoint: how many iterations were done, by which engine, and by how many processes."""

    SCHEMA = "hoibench/training-checkpoint@2"
    FILE = "checkpoint.json"
    FIX = "delete it to go on from the one before"

    iteration: int
    engine: EngineName
    processes: int


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint, where it lies, and what it says of itself."""

    folder: Path
    metadata: CheckpointMetadata

    @property
    def iteration(self) -> int:
        """The number of iterations done."""
        return self.metadata.iteration


def save_checkpoint(folder: Path, iteration: int, engine: Engine, world: World) -> None:
    """Write a checkpoint into ``folder``; all processes call this.

    It is written beside its place, synced, and then renamed: a stop at any time leaves those that were there as they were.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was begun is removed.
    """
    unfinished = folder.with_name(f"{_UNFINISHED}{folder.name}")
    with world.together():
        if world.leads:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
    with _written(unfinished, folder):
        engine.save(unfinished)
        world.wait()
        with world.together():
            if world.leads:
                metadata = CheckpointMetadata(iteration=iteration, engine=engine.name, processes=world.size)
                seal(unfinished, metadata, hashed=False)  # its files are too large to be read again
                replace_folder(unfinished, folder)


def latest_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint among the subfolders of ``folder``, None where there is none at all; warns of each that is not whole.

    Raises:
        ValueError: there are checkpoints and none is whole; to begin anew would overwrite what tells of them.
        OSError: one cannot be looked at, so that it may well be whole.
    """
    found = _numbered(folder)
    for path in reversed(found):
        if checkpoint := _read_if_whole(path):
            return checkpoint
    if found:
        raise ValueError(
            f"{folder} has no whole checkpoint (broken: {', '.join(path.name for path in found)}):"
            " delete them to begin anew, or give another --out"
        )
    return None


def keep_newest(folder: Path, count: int, iteration: int) -> None:
    """Delete all checkpoints but the newest whole ones up to an iteration, and what a killed process left unfinished.

    Those beyond it are broken, or training would have gone on from them.
    """
    found = _numbered(folder)
    whole = [path for path in found if int(path.name) <= iteration and _read_if_whole(path)]
    for path in found:
        if path not in whole[-count:]:
            shutil.rmtree(path)
    for left in (*folder.glob(f"{_UNFINISHED}*"), *folder.glob(".tmp-????????-*")):
        shutil.rmtree(left, ignore_errors=True)


def load_checkpoint(checkpoint: Checkpoint, engine: Engine, world: World) -> None:
    """Read a checkpoint into an engine; all processes call this.

    Raises:
        Crash: memory is full.
        ValueError: ZeRO-3 wrote it with another number of processes, or its contents cannot be read.
    """
    processes = checkpoint.metadata.processes
    if processes != world.size:
        told = f"{checkpoint.folder} was written by {processes} processes, now there are {world.size}"
        if engine.name == "zero3":
            raise ValueError(f"{told}: ZeRO-3 shares its state out over a fixed number, so start {processes} again")
        if world.leads:
            log.warning(
                "%s: an iteration now takes %s times as many clips, and other ones",
                told,
                world.size / processes,
            )
    try:
        with advised(f"reading {checkpoint.folder}", SHARE_OUT):
            engine.load(checkpoint.folder)
    except (RuntimeError, KeyError, EOFError) as error:
        if tells_of_a_lost_process(error):
            raise
        raise ValueError(
            f"{checkpoint.folder} cannot be read ({error}): delete it to go on from the one before"
        ) from error


def _numbered(folder: Path) -> list[Path]:
    """All checkpoints, whole or not, by iteration."""
    there = (path for path in folder.glob("[0-9]*") if path.name.isdecimal() and path.is_dir())
    return sorted(there, key=lambda path: int(path.name))


def _read_if_whole(folder: Path) -> Checkpoint | None:
    try:
        return Checkpoint(folder, read_metadata(folder, CheckpointMetadata, check="sizes"))
    except CorruptFolder as error:
        log.warning("%s is not whole (%s): it is passed over", folder, error)
        return None


@contextmanager
def _written(unfinished: Path, folder: Path) -> Iterator[None]:
    """Remove what was begun if it cannot be finished, and tell a full disk for what it is."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        # PyTorch's writer, in C++, tells any failed write as a RuntimeError of this name.
        if isinstance(error, RuntimeError | Crash) and "inline_container" in str(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from error
        raise
