"""Where a weight file lies on this machine, and whether it is the right one."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from hoibench.store import sha256_file
from hoibench.store.cache_dir import cache_dir
from hoibench.weights.registry import Weight, weight


class WeightsMissing(LookupError):
    """A weight file lies in none of the folders; the message lists them and gives the command that fetches it."""


class WeightsDamaged(ValueError):
    """A file has a weight's name but other bytes; the message gives both hashes and what to do."""


def cache_folder() -> Path:
    """Where fetched weights are kept: ``$HOIBENCH_CACHE/weights``, by default under the user's cache folder."""
    return cache_dir() / "weights"


def search_folders(extra: Path | None = None) -> tuple[Path, ...]:
    """Folders that are looked through, in order: ``extra``, those in ``$HOIBENCH_WEIGHTS`` (as in a PATH), the cache."""
    named = [Path(part) for part in os.environ.get("HOIBENCH_WEIGHTS", "").split(os.pathsep) if part]
    return tuple(dict.fromkeys([*([extra] if extra else []), *named, cache_folder()]))


def find(id: str, extra: Path | None = None) -> Path:
    """The checked file of a weight; the first folder that has it decides.

    Args:
        id: a registered id.
        extra: a folder to look in first (``--weights``).

    Raises:
        UnknownName: no weight has this id.
        WeightsMissing: no folder has the file.
        WeightsDamaged: the file's size or hash is wrong.
    """
    wanted = weight(id)
    folders = search_folders(extra)
    for folder in folders:
        path = folder / wanted.file
        if path.is_file():
            check(path, wanted)
            return path
    raise WeightsMissing(
        f"weights {id} ({wanted.file}, {wanted.bytes} bytes, {wanted.licence}) are in none of "
        f"{', '.join(str(folder) for folder in folders)}; "
        f"fetch them with `python -m hoibench.weights fetch {id}`, or name their folder with --weights or HOIBENCH_WEIGHTS"
    )


def check(path: Path, wanted: Weight) -> None:
    """Raise WeightsDamaged unless ``path`` holds the bytes of ``wanted``; a file is hashed once while it stays as it is."""
    status = path.stat()
    if status.st_size != wanted.bytes:
        raise WeightsDamaged(
            f"{path} has {status.st_size} bytes, weights {wanted.id} have {wanted.bytes}: delete it and fetch it again "
            f"with `python -m hoibench.weights fetch {wanted.id}`"
        )
    found = _sha256(path, status.st_size, status.st_mtime_ns)
    if found != wanted.sha256:
        raise WeightsDamaged(
            f"{path} has sha256 {found}, weights {wanted.id} have {wanted.sha256}: delete it and fetch it again "
            f"with `python -m hoibench.weights fetch {wanted.id}`"
        )


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:
    return sha256_file(path)
