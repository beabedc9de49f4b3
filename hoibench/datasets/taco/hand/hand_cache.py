"""A cache of parsed hand pickles: the released ones take 9 MB for 80 KB of numbers, since they repeat all numbers for every frame."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.store import read_npz, write_npz
from hoibench.store.cache_dir import cache_dir

VERSION = "taco-hands@1"
"""Version of the contents of a cached file."""

_LARGE = 1 << 20  # bytes; smaller pickles are read in a few milliseconds
_SOURCE = "source"
_log = logging.getLogger(__name__)
_warned: set[Path] = set()


def cached_parse(path: Path, parse: Callable[[Path], Mapping[str, Array]]) -> Mapping[str, Array]:
    """Return the arrays that ``parse`` reads from a file, from the cache if the file is at least 1 MiB large and unchanged.

    If the cache cannot be used, the file is parsed again.  Raises the errors of ``parse``.
    """
    status = path.stat()
    if status.st_size < _LARGE:
        return parse(path)
    source = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    entry = _entry_path(path.resolve())
    arrays = _read_entry(entry, source)
    if arrays is None:
        arrays = parse(path)
        _write_entry(entry, {**arrays, _SOURCE: np.array(source)})
    return arrays


def _entry_path(path: Path) -> Path:
    """Return the path in the cache for the arrays of a file; each download has a folder of its own, because the cache is listed by folders."""
    download = hashlib.sha256(str(path.parents[min(2, len(path.parents) - 1)]).encode()).hexdigest()[:12]
    return cache_dir() / f"{VERSION}-{download}" / f"{path.parent.name}-{path.stem}.npz"


def _read_entry(entry: Path, source: str) -> Mapping[str, Array] | None:
    try:
        arrays = read_npz(entry)
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn_once(entry, error)
        return None
    except ValueError as error:
        _rename_damaged(entry, error)
        return None
    return arrays if str(arrays.pop(_SOURCE, "")) == source else None


def _rename_damaged(entry: Path, damage: ValueError) -> None:
    damaged = entry.with_suffix(".damaged")
    try:
        entry.replace(damaged)
    except OSError as error:
        _warn_once(entry, error)
    else:
        _log.warning("%s; it was renamed to %s and is created again", damage, damaged.name)


def _write_entry(entry: Path, arrays: Mapping[str, Array]) -> None:
    try:
        write_npz(entry, arrays)
    except OSError as error:
        _warn_once(entry, error)


def _warn_once(entry: Path, error: OSError) -> None:
    folder = entry.parent
    if folder not in _warned:
        _warned.add(folder)
        reason = error.strerror or str(error)
        _log.warning(
            "%s cannot be used (%s): hand files are parsed again each time; set HOIBENCH_CACHE", folder, reason
        )
