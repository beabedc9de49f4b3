"""Find a weight file on this machine and check its SHA-256."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from hoibench.store import sha256_file
from hoibench.store.cache_dir import cache_dir
from hoibench.weights.registry import Weight, get_weight


class WeightsMissing(LookupError):
    """The error that a weight file is in no folder; its message lists the folders and gives the command that downloads it."""


class WeightsDamaged(ValueError):
    """The error that a weight file has other bytes than registered; its message gives the found and the expected size or hash."""


def cache_folder() -> Path:
    """Return the folder of downloaded weights: ``$HOIBENCH_CACHE/weights``, by default in the user's cache."""
    return cache_dir() / "weights"


def search_folders(extra: Path | None = None) -> tuple[Path, ...]:
    """Return the folders to search for weights, in order: ``extra``, those in ``$HOIBENCH_WEIGHTS`` (separated as in PATH), and the cache."""
    named = [Path(part) for part in os.environ.get("HOIBENCH_WEIGHTS", "").split(os.pathsep) if part]
    return tuple(dict.fromkeys([*([extra] if extra else []), *named, cache_folder()]))


def find_weights(id: str, extra: Path | None = None) -> Path:
    """Return the path of a weight file in the first folder that has it, after checking its size and hash.

    Args:
        id: id of a registered weight file.
        extra: a folder to search first (``--weights``).

    Raises:
        UnknownName: the id is not registered.
        WeightsMissing: no folder has the file.
        WeightsDamaged: the file has the wrong size or hash.
    """
    weight = get_weight(id)
    folders = search_folders(extra)
    for folder in folders:
        path = folder / weight.file
        if path.is_file():
            check_weights(path, weight)
            return path
    raise WeightsMissing(
        f"weights {id} ({weight.file}, {weight.bytes} bytes, {weight.licence}) not found in "
        f"{', '.join(str(folder) for folder in folders)}: "
        f"run `python -m hoibench.weights fetch {id}`, or set their folder by --weights or HOIBENCH_WEIGHTS"
    )


def check_weights(path: Path, weight: Weight) -> None:
    """Raise WeightsDamaged unless the file ``path`` has the size and SHA-256 of ``weight``; a hash is computed once, until the file changes."""
    status = path.stat()
    if status.st_size != weight.bytes:
        raise WeightsDamaged(
            f"{path} has {status.st_size} bytes, expected {weight.bytes} for weights {weight.id}: delete it and download it again "
            f"with `python -m hoibench.weights fetch {weight.id}`"
        )
    found = _sha256(path, status.st_size, status.st_mtime_ns)
    if found != weight.sha256:
        raise WeightsDamaged(
            f"{path} has sha256 {found}, expected {weight.sha256} for weights {weight.id}: delete it and download it again "
            f"with `python -m hoibench.weights fetch {weight.id}`"
        )


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:
    return sha256_file(path)
