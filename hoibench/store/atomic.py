"""Atomic writes: a reader sees the old file or the new one, never a part of either."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; on success it is synced and takes ``path``'s name.

    On any exception the temporary file is removed and ``path`` is as it was.  The temporary name keeps the suffix, since encoders choose by it.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None and error.filename is None:
            error.filename = str(path)  # a full disk names no file by itself
        raise


def sweep(folder: Path, name: str = "*") -> None:
    """Remove temporary files that killed writers of ``folder / name`` left; the caller must be alone in writing there."""
    for left in folder.glob(f".tmp-????????-{name}"):
        left.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` atomically."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on disk."""
    if os.name == "nt" and path.is_dir():  # Windows has no way to sync a folder
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
