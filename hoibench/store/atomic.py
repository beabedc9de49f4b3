"""Atomic writes of files and folders: a reader sees the old one or the new one, never a part of either."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ELSEWHERE = (
    "free space there, or choose a folder that can be written, by --out where a command has it, else by HOIBENCH_CACHE"
)
"""The fix where a folder cannot be written."""

_STALE_SECONDS = 24 * 3600.0


class WriteError(OSError):
    """A folder cannot be written: the disk is full, or closed to us.  Unlike a file that cannot be read, it stops everything."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` to write to; on success it is synced and takes ``path``'s name.

    On any exception the temporary file is removed and ``path`` is as it was.  The temporary name keeps the suffix, since encoders choose by it.

    Raises:
        OSError: the folder cannot be written, or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path)
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


@contextmanager
def new_folder(folder: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Give an empty folder beside ``folder`` to fill; on success it is synced and takes ``folder``'s name, and what had the name is removed.

    On any exception the new folder is removed, and ``folder`` is as it was.  What processes killed more than a day ago left is removed.

        with new_folder(Path("model")) as new:
            (new / "weights.bin").write_bytes(weights)

    Args:
        folder: to be.
        keep: asked where a folder of this name is there in the end: whether it stays and the new one is removed.

    Raises:
        WriteError: the folder cannot be written, or the disk is full; says what to do.
    """
    with as_write_error(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder.parent)
        new = _temporary(folder)
        new.mkdir()
        try:
            yield new
            replace_folder(new, folder, keep)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def ensure_folder(folder: Path, make: Callable[[Path], None]) -> None:
    """Have ``make`` fill ``folder`` unless it is there: it is whole or absent, however many processes try and whenever they are killed.

    Raises:
        WriteError: the folder cannot be written, or the disk is full; says what to do.
    """
    if not folder.is_dir():
        # Where another process is faster, its folder is as good as ours.
        with new_folder(folder, keep=folder.is_dir) as new:
            make(new)


def replace_folder(new: Path, folder: Path, keep: Callable[[], bool] = lambda: False) -> None:
    """Sync the folder ``new`` and rename it to ``folder``, beside it; what had the name is removed, or stays if ``keep`` says so.

    Raises:
        OSError: it cannot be synced or renamed; what was at ``folder`` still is, and so is ``new``.
    """
    for path in (*new.rglob("*"), new):
        sync(path)
    old = _temporary(folder)
    try:
        while not _rename(new, folder):
            if keep():
                return
            shutil.rmtree(old, ignore_errors=True)
            with suppress(FileNotFoundError):  # another process moved it
                folder.rename(old)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        raise
    sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def as_write_error(folder: Path) -> Iterator[None]:
    """Turn an OSError of a block that only writes below ``folder`` into a ``WriteError`` that says what to do."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(error.errno, f"cannot write {error.filename or folder} ({reason}): {ELSEWHERE}") from error


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


def _temporary(path: Path) -> Path:
    return path.with_name(f".tmp-{secrets.token_hex(4)}-{path.name}")


def _rename(new: Path, folder: Path) -> bool:
    """Rename a folder unless there is one of that name that is not empty."""
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False
    return True


def _remove_stale(parent: Path) -> None:
    """Remove the folders that processes killed more than a day ago left half made."""
    for path in parent.glob(".tmp-*"):
        try:
            old = time.time() - path.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)
