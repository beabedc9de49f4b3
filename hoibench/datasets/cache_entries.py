"""List and clear the entries of the cache: generated clips, prepared clips and weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from hoibench.store.cache_dir import cache_dir

WEIGHTS = "weights"
"""Name of the entry with downloaded weights."""

PREPARED = "taco-clips@"
"""Prefix of the entries with prepared recordings."""

_GENERATED = re.compile(r"synthetic-clips@\d+|[a-z][a-z-]*@\d+-[0-9a-f]{12}")
"""Names of generated entries: synthetic-clips@VERSION or NAME@VERSION-DIGEST, e.g. taco-clips@1-0123456789ab.  Other folders are left alone."""


class Entry(NamedTuple):
    """One folder of the cache: its name, total size in bytes and number of files."""

    name: str
    bytes: int
    files: int


def list_entries() -> list[Entry]:
    """Return the entries of the cache, sorted by name; unfinished files of interrupted runs count towards their entry."""
    root = cache_dir()
    if not root.is_dir():
        return []
    return [Entry(path.name, *_size(path)) for path in sorted(root.iterdir()) if _is_entry(path)]


def _is_entry(path: Path) -> bool:
    is_known = path.name == WEIGHTS or _GENERATED.fullmatch(path.name)
    return bool(is_known) and path.is_dir() and not path.is_symlink()


def clear_entries(name: str | None = None) -> list[Entry]:
    """Delete one entry of the cache, or all entries that are regenerated automatically; return the deleted entries.

    Downloaded weights and prepared clips, which may take days to prepare, are deleted only by name.

    Raises:
        FileNotFoundError: the entry does not exist; lists the existing ones.
        OSError: a file cannot be deleted.
    """
    entries = list_entries()
    deleted = [entry for entry in entries if (entry.name == name if name else _is_regenerated(entry.name))]
    if name and not deleted:
        known = ", ".join(entry.name for entry in entries)
        raise FileNotFoundError(f"{cache_dir()} has no entry {name!r}; entries: {known or 'none'}")
    for entry in deleted:
        shutil.rmtree(cache_dir() / entry.name)
    return deleted


def _is_regenerated(name: str) -> bool:
    return name != WEIGHTS and not name.startswith(PREPARED)


def _size(folder: Path) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(sizes), len(sizes)
