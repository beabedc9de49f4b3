"""Atomic writes of files and folders: a reader sees the old version or the new one, never a partial one."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hoibench.errors import is_disk_full
from hoibench.store.cache_dir import cache_dir

_STALE_SECONDS = 24 * 3600.0


class WriteError(OSError):
    """An error of writing a file or folder, e.g. a full or read-only disk.  It ends a whole job; an unreadable input file only fails its own item."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` to write to; on success, sync it and rename it to ``path``.

    On any exception, the temporary file is removed and ``path`` is unchanged.  The temporary path has the suffix of
    ``path``, by which encoders choose a format.

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
            error.filename = str(path)  # the error of a full disk names no file
        raise


@contextmanager
def new_folder(folder: Path, keep_existing: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yield a new empty folder next to ``folder`` to fill; on success, sync it and let it replace ``folder``.

    On any exception, the new folder is removed and ``folder`` is unchanged.  Also removes partial folders next to it
    of processes killed more than a day ago.

        with new_folder(Path("model")) as new:
            (new / "weights.bin").write_bytes(weights)

    Args:
        folder: the folder to write.
        keep_existing: called if ``folder`` exists at the end; returns True to keep it and remove the new one.

    Raises:
        WriteError: the folder cannot be written, the disk is full, or the block raised another OSError; the message includes the fix.
    """
    with as_write_error(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder.parent)
        new = _temporary(folder)
        new.mkdir()
        try:
            yield new
            replace_folder(new, folder, keep_existing)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def ensure_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Create ``folder`` atomically unless it exists: ``fill`` writes the files into a new empty folder, which is then renamed.

    It is safe if several processes do so at once or are killed.

    Raises:
        WriteError: the folder cannot be written, or the disk is full; the message includes the fix.
    """
    if not folder.is_dir():
        with new_folder(folder, keep_existing=folder.is_dir) as new:
            fill(new)


def replace_folder(new: Path, folder: Path, keep_existing: Callable[[], bool] = lambda: False) -> None:
    """Sync the folder ``new`` to disk and rename it to ``folder``, a path in the same parent folder.

    An existing ``folder`` is replaced, unless ``keep_existing()`` returns True: then ``new`` stays where it is.

    Raises:
        OSError: ``new`` cannot be synced or renamed; an existing ``folder`` is unchanged.
    """
    for path in (*new.rglob("*"), new):
        sync(path)
    old = _temporary(folder)
    try:
        while not _rename(new, folder):
            if keep_existing():
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
    """Convert an OSError raised in the block, which may only write below ``folder``, to a ``WriteError`` whose message includes the fix."""
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        is_in_cache = folder.absolute().is_relative_to(cache_dir().absolute())
        fix = "set HOIBENCH_CACHE to another folder" if is_in_cache else "choose a writable folder"
        if is_disk_full(error):
            fix = f"free space on that disk, or {fix}"
        raise WriteError(error.errno, f"cannot write {error.filename or folder} ({reason}): {fix}") from error


def find_folder_problem(folder: Path) -> str | None:
    """Return why files cannot be written into a folder, which need not exist, e.g. "is a file"; None if they can.  Nothing is left behind."""
    folder = folder.absolute()
    try:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir():
            return "is a file" if existing == folder else f"cannot be created, since {existing} is a file"
        tempfile.TemporaryFile(dir=existing).close()  # permissions alone do not reveal a read-only file system
    except OSError as error:
        return f"cannot be written ({error.strerror or error})"
    return None


def free_bytes(folder: Path) -> int:
    """Return the free space of the disk of a folder, which need not exist."""
    folder = folder.absolute()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def remove_temporary_files(folder: Path, name: str = "*") -> None:
    """Remove the temporary files that killed calls of ``atomic_write`` left in ``folder``; no process may be writing there now.

    Args:
        folder: the folder of the written files.
        name: name of the written file, or a glob pattern of several names.
    """
    for path in folder.glob(f".tmp-????????-{name}"):
        path.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to the file ``path`` atomically: a reader sees the old contents or the new ones."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def sync(path: Path) -> None:
    """Flush a file's contents, or a folder's list of entries, to disk, and wait until that is done."""
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
    """Rename the folder ``new`` to ``folder`` and return True, or return False if ``folder`` exists and is not empty."""
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        return False
    return True


def _remove_stale(parent: Path) -> None:
    """Remove temporary folders in ``parent`` that are more than a day old, left by killed processes."""
    for path in parent.glob(".tmp-*"):
        try:
            old = time.time() - path.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)
