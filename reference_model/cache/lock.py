"""How processes that work on one cache keep out of each other's way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from hoibench.errors import DISK_FULL


@contextmanager
def held(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a folder against other processes; gives whether it is ours.  The system lets go of it if this process is killed.

    Raises:
        ValueError: the folder is closed to us; says to give another.
        OSError: the disk is full.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        yield False
        return
    except OSError as error:
        if error.errno in DISK_FULL:
            raise
        raise ValueError(f"--out: {folder} cannot be written ({error.strerror}): give a folder that can") from error
    try:
        yield True
    finally:
        lock.release()
