"""The folder that generated data lies in: ``HOIBENCH_CACHE``, or ``hoibench`` in the user's cache folder."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import platformdirs

_TEMPORARY = ".tmp-"
_STALE_SECONDS = 24 * 3600.0


class Entry(NamedTuple):
    """One folder of the cache, with all that lies in it."""

    name: str
    bytes: int
    files: int


def cache_dir() -> Path:
    """The cache folder; it need not exist yet."""
    chosen = os.environ.get("HOIBENCH_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("hoibench", appauthor=False))


def entries() -> list[Entry]:
    """The entries of the cache, sorted by name; what killed runs left behind counts to its entry."""
    root = cache_dir()
    if not root.is_dir():
        return []
    return [Entry(path.name, *_size(path)) for path in sorted(root.iterdir()) if path.is_dir()]


def clear(name: str | None = None) -> None:
    """Delete one entry of the cache, or every entry.

    Raises:
        FileNotFoundError: there is no such entry; lists those there are.
        OSError: a file cannot be deleted.
    """
    names = [entry.name for entry in entries()]
    if name is not None and name not in names:
        raise FileNotFoundError(f"{cache_dir()} has no entry {name!r}, only {', '.join(names) or 'none'}")
    for doomed in names if name is None else [name]:
        shutil.rmtree(cache_dir() / doomed)


def ensure_folder(folder: Path, make: Callable[[Path], None]) -> None:
    """Have ``make`` fill ``folder`` unless it is there already: it is whole or absent, however many processes try and whenever they are killed.

    Raises:
        OSError: the disk is full or the folder cannot be written; names HOIBENCH_CACHE.
    """
    if folder.is_dir():
        return
    with _explained(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        temporary = folder.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}-{folder.name}")
        temporary.mkdir()
        try:
            make(temporary)
            _rename(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        # Another process was faster; its folder is as good as ours.
        if not folder.is_dir():
            raise


def _sweep(parent: Path) -> None:
    """Delete what processes killed more than a day ago left half made."""
    for path in parent.glob(f"{_TEMPORARY}*"):
        try:
            old = time.time() - path.stat().st_mtime > _STALE_SECONDS
        except FileNotFoundError:
            continue
        if old:
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        message = (
            f"cannot write {folder} ({reason}): free space there, or set HOIBENCH_CACHE to a folder that can be written"
        )
        raise OSError(error.errno, message) from error


def _size(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)
