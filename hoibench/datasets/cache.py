"""The cache: folders that are made whole or not at all, listed and cleared by name."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hoibench.store.cache import cache_dir

__all__ = ["ELSEWHERE", "PREPARED", "WEIGHTS", "Entry", "cache_dir", "clear", "ensure_folder", "entries"]

WEIGHTS = "weights"
"""The entry that holds fetched weights."""

PREPARED = "taco-clips@"
"""How entries of prepared recordings begin."""

ELSEWHERE = (
    "free space there, or choose a folder that can be written, by --out where a command has it, else by HOIBENCH_CACHE"
)
"""What to do where a folder cannot be written."""

_GENERATED = re.compile(r"[a-z][a-z-]*@\d+-[0-9a-f]{12}")
"""SPLIT@VERSION-GENERATOR, as in synthetic@1-0123456789ab.  Whatever else lies in the folder is not the benchmark's."""
_TEMPORARY = ".tmp-"
_STALE_SECONDS = 24 * 3600.0


class Entry(NamedTuple):
    """One folder of the cache, with all that lies in it."""

    name: str
    bytes: int
    files: int


def entries() -> list[Entry]:
    """The entries of the cache, generated clips and weights, sorted by name; what killed runs left behind counts to its entry."""
    root = cache_dir()
    if not root.is_dir():
        return []
    return [Entry(path.name, *_size(path)) for path in sorted(root.iterdir()) if _is_entry(path)]


def _is_entry(path: Path) -> bool:
    ours = path.name == WEIGHTS or _GENERATED.fullmatch(path.name)
    return bool(ours) and path.is_dir() and not path.is_symlink()


def clear(name: str | None = None) -> list[Entry]:
    """Delete one entry of the cache, or all that come back by themselves; the entries that are gone.

    Fetched weights, and prepared clips, which can be days of work, go only by name.

    Raises:
        FileNotFoundError: there is no such entry; lists those there are.
        OSError: a file cannot be deleted.
    """
    there = entries()
    doomed = [entry for entry in there if (entry.name == name if name else _comes_back(entry.name))]
    if name and not doomed:
        known = ", ".join(entry.name for entry in there)
        raise FileNotFoundError(f"{cache_dir()} has no entry {name!r}, only {known or 'none'}")
    for entry in doomed:
        shutil.rmtree(cache_dir() / entry.name)
    return doomed


def _comes_back(name: str) -> bool:
    return name != WEIGHTS and not name.startswith(PREPARED)


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
        message = f"cannot write {folder} ({reason}): {ELSEWHERE}"
        raise OSError(error.errno, message) from error


def _size(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)
