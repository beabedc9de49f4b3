"""The entries of the cache, listed and cleared by name: generated clips, prepared clips, weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from hoibench.store.cache_dir import cache_dir

WEIGHTS = "weights"
"""The entry that holds fetched weights."""

PREPARED = "taco-clips@"
"""Prefix of the entries of prepared recordings."""

_GENERATED = re.compile(r"synthetic-clips@\d+|[a-z][a-z-]*@\d+-[0-9a-f]{12}")
"""Synthetic clips of a version, or NAME@VERSION-DIGEST, as in taco-clips@1-0123456789ab.  Whatever else lies in the folder is not the benchmark's."""


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


def _size(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)
