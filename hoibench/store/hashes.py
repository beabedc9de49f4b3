"""Hashes of files, arrays and JSON values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array

BLOCK, BLOCKS = 1 << 20, 16


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits, reading it in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_blob_id(path: Path) -> str:
    """Return the name of a file's contents in a Git repository with SHA-1 names, 40 hex digits, as ``git hash-object`` prints it."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def canonical_json(value: Any) -> str:
    """Return a value as JSON text with sorted keys, no spaces and no NaN, so that equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def sha256_json(value: Any) -> str:
    """Return the SHA-256 of a value's canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def array_digest(*arrays: Array) -> str:
    """Return the SHA-256, 64 hex digits, of all arrays' values as little-endian float32 in C order; shapes do not count, and all NaNs are equal."""
    digest = hashlib.sha256()
    for array in arrays:
        values = np.asarray(array).astype("<f4")
        values[np.isnan(values)] = np.nan
        digest.update(values.tobytes())
    return digest.hexdigest()


def sampled_digest(path: Path) -> str:
    """Return a digest (12 hex digits) of a file, or of all files below a folder, e.g. model weights, without reading large files completely.

    Reads files of up to 16 MiB completely, and 16 evenly spaced blocks of 1 MiB of larger ones: a different training changes weights everywhere,
    so a few blocks detect it, but a change of single bytes may be missed.  In a folder, the files' relative paths
    count too, and files whose names begin with a dot are left out.  The place of the file or folder does not matter.

    Raises:
        FileNotFoundError: the file or folder does not exist.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    if path.is_file():
        return sha256_json([path.stat().st_size, _sampled_sha256(path)])[:12]
    files = sorted(item for item in path.rglob("*") if item.is_file() and not item.name.startswith("."))
    return sha256_json({f.relative_to(path).as_posix(): [f.stat().st_size, _sampled_sha256(f)] for f in files})[:12]


def _sampled_sha256(path: Path) -> str:
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as stream:
        for start in block_starts(size):
            stream.seek(start)
            digest.update(stream.read(BLOCK))
    return digest.hexdigest()


def block_starts(size: int) -> Sequence[int]:
    """Return the offsets in bytes of the 1 MiB blocks that ``sampled_digest`` reads of a file of ``size`` bytes."""
    if size <= BLOCK * BLOCKS:
        return range(0, size, BLOCK)
    return [(size - BLOCK) * i // (BLOCKS - 1) for i in range(BLOCKS)]
