"""Locks between processes, released by the system when a process ends."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from hoibench.store.atomic import as_write_error

log = logging.getLogger(__name__)

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


@contextmanager
def locked(lock_file: Path, *, wait: bool) -> Iterator[bool]:
    """Lock a file while the block runs; yield True if the lock was acquired, False if it is in use.

    The lock excludes all other processes and threads, and a second call in this thread.  The system releases it when this process ends, even if it is
    killed; the empty file remains.  On a file system without locks, logs a warning and yields True.

        with locked(folder.with_name(".cam0.lock"), wait=False) as acquired:
            ...

    Args:
        lock_file: the file to lock; it and its folder are created if missing.
        wait: wait until the lock is free instead of yielding False.

    Raises:
        WriteError: the file cannot be written, or the disk is full.
    """
    lock = filelock.FileLock(lock_file)
    with as_write_error(lock_file):
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        acquired = _acquire(lock, wait)
    try:
        yield acquired
    finally:
        lock.release()


def _acquire(lock: filelock.BaseFileLock, wait: bool) -> bool:
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except filelock.Timeout:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        # Some network file systems do not support locks.
        log.warning("%s cannot be locked (%s): let no other process write there", lock.lock_file, error)
    return True
