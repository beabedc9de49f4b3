"""What large hand pickles said, kept in the cache: the released ones hold 9 MB for 80 KB of numbers, since every frame repeats all of them."""

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
"""What an entry means; a changed meaning is a new version."""

_LARGE = 1 << 20  # bytes; smaller pickles are read in some milliseconds
_SOURCE = "source"
_log = logging.getLogger(__name__)
_warned: set[Path] = set()


def cached_parse(path: Path, parse: Callable[[Path], Mapping[str, Array]]) -> Mapping[str, Array]:
    """The named arrays that ``parse`` makes of a file, from the cache if the file is large and has not changed since.

    A cache that cannot be read or written costs time, never the answer; errors are those of ``parse``.
    """
    status = path.stat()
    if status.st_size < _LARGE:
        return parse(path)
    source = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    entry = _entry(path.resolve())
    arrays = _look_up(entry, source)
    if arrays is None:
        arrays = parse(path)
        _keep(entry, {**arrays, _SOURCE: np.array(source)})
    return arrays


def _entry(path: Path) -> Path:
    """One folder for each download, since the cache is listed by folders."""
    download = hashlib.sha256(str(path.parents[min(2, len(path.parents) - 1)]).encode()).hexdigest()[:12]
    return cache_dir() / f"{VERSION}-{download}" / f"{path.parent.name}-{path.stem}.npz"


def _look_up(entry: Path, source: str) -> Mapping[str, Array] | None:
    try:
        arrays = read_npz(entry)
    except FileNotFoundError:
        return None
    except OSError as error:
        _warn_once(entry, error)
        return None
    except ValueError as error:
        _set_aside(entry, error)
        return None
    return arrays if str(arrays.pop(_SOURCE, "")) == source else None


def _set_aside(entry: Path, damage: ValueError) -> None:
    aside = entry.with_suffix(".damaged")
    try:
        entry.replace(aside)
    except OSError as error:
        _warn_once(entry, error)
    else:
        _log.warning("%s; it is set aside as %s and made again", damage, aside.name)


def _keep(entry: Path, arrays: Mapping[str, Array]) -> None:
    try:
        write_npz(entry, arrays)
    except OSError as error:
        _warn_once(entry, error)


def _warn_once(entry: Path, error: OSError) -> None:
    folder = entry.parent
    if folder not in _warned:
        _warned.add(folder)
        reason = error.strerror or str(error)
        _log.warning("%s cannot be used (%s): hand files are read anew each time; set HOIBENCH_CACHE", folder, reason)
