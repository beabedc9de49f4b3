"""Hashes of files and of JSON values."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Array


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits, read in chunks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, no NaN: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def sha256_json(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def array_digest(*arrays: Array) -> str:
    """The SHA-256 of arrays' values, one after another, as little-endian float32 in C order, 64 hex digits; every NaN is the same."""
    digest = hashlib.sha256()
    for array in arrays:
        values = np.asarray(array).astype("<f4")
        values[np.isnan(values)] = np.nan
        digest.update(values.tobytes())
    return digest.hexdigest()


def files_digest(root: Path, paths: Iterable[Path]) -> str:
    """A digest of files by name, size and time of change, 12 hex digits: tells whether any of them is another, without reading them."""
    facts = sorted(
        [path.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns]
        for path in paths
        for status in [path.stat()]
    )
    return sha256_json(facts)[:12]
