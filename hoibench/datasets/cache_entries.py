"""List and delete the folders in hoibench's cache: generated clips, parsed hand files, prepared clips and downloaded weights."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import NamedTuple

from hoibench.store.cache_dir import cache_dir

WEIGHTS = "weights"
"""Name of the cache folder with downloaded weights."""

PREPARED = "taco-clips@"
"""Start of the names of cache folders with prepared clips of recordings."""

_WRITTEN_FOLDER = re.compile(r"(synthetic-clips|synthetic-reach-clips|submissions)@\d+|[a-z][a-z-]*@\d+-[0-9a-f]{12}")
"""Names of the folders that hoibench writes, except ``WEIGHTS``, with a version: of clips, of submissions, or NAME@VERSION-DIGEST."""


class Entry(NamedTuple):
    """A folder in the cache: its name, the total size of its files in ``bytes``, and their number."""

    name: str
    bytes: int
    files: int


def list_entries() -> list[Entry]:
    """Return the folders in the cache that hoibench wrote, sorted by name; sizes include unfinished files of interrupted runs."""
    root = cache_dir()
    if not root.is_dir():
        return []
    return [Entry(path.name, *_size(path)) for path in sorted(root.iterdir()) if _is_entry(path)]


def _is_entry(path: Path) -> bool:
    is_known = path.name == WEIGHTS or _WRITTEN_FOLDER.fullmatch(path.name)
    return bool(is_known) and path.is_dir() and not path.is_symlink()


def clear_entries(name: str | None = None) -> list[Entry]:
    """Delete the cache folder ``name``, or without a name all folders that are regenerated on demand; return the deleted ones.

    Downloaded weights and prepared clips, which may take days to prepare, are deleted only if named.

    Raises:
        FileNotFoundError: there is no folder ``name``; lists the existing ones.
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
