"""Reader and writer of npz files; untrusted files are safe to read: no pickle, and every size is checked before memory is allocated."""

from __future__ import annotations

import errno
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hoibench.clip import Array
from hoibench.store.atomic import atomic_write

R = TypeVar("R")

_HEADER_BYTES = 1_000  # Python's parser raises MemoryError on deeply nested longer ones
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PARSE_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError, UnicodeError, ArithmeticError,
    LookupError, TypeError, EOFError, RuntimeError,
)  # fmt: skip
"""Exceptions other than ValueError that zipfile, zlib and numpy raise on damaged files."""


@dataclass(frozen=True)
class ArrayLimits:
    """Limits on an npz file: number of arrays, uncompressed bytes per array, and uncompressed bytes in total.

    The compression ratio is not limited: deflate shrinks constant masks by 1030:1.
    """

    members: int = 64
    array_bytes: int = 1 << 30
    total_bytes: int = 2 << 30


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays to a compressed npz file, atomically.

    Raises:
        ValueError: an array has dtype object.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_npz(path: Path, limits: ArrayLimits | None = None) -> dict[str, Array]:
    """Return the arrays of an npz file by name; ``limits`` are ``ArrayLimits()`` by default.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is not a complete npz file or exceeds a limit; names file, member, value and limit.
    """
    return _read_members(path, limits or ArrayLimits(), _read_member)


def read_npz_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of an npz file by name, from their headers alone; raises the errors of ``read_npz``."""
    return _read_members(path, ArrayLimits(), _read_shape)


def _read_members(
    path: Path, limits: ArrayLimits, read: Callable[[zipfile.ZipFile, zipfile.ZipInfo], R]
) -> dict[str, R]:
    """Return ``read(archive, member)`` of each array of an npz file by name."""
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_directory(archive, limits)
                return {info.filename.removesuffix(".npy"): read(archive, info) for info in archive.infolist()}
        except _PARSE_ERRORS as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(
                f"{path} is not a complete npz file ({reason}): write it again with numpy.savez"
            ) from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except OSError as error:
            # EINVAL is a seek to an impossible offset; other errors come from the disk.
            if error.errno != errno.EINVAL:
                raise
            raise ValueError(f"{path} is not a complete npz file ({error}): write it again with numpy.savez") from error


def _check_directory(archive: zipfile.ZipFile, limits: ArrayLimits) -> None:
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise ValueError(f"it has {len(infos)} arrays, expected at most {limits.members}")
    if len({info.filename for info in infos}) != len(infos):
        raise ValueError("it has two arrays of the same name")
    for info in infos:
        where = f"member {info.filename!r}"
        if not info.filename.endswith(".npy") or "/" in info.filename or "\\" in info.filename:
            raise ValueError(f"{where} is not an array of an npz file")
        if info.flag_bits & 1:
            raise ValueError(f"{where} is encrypted")
        if info.compress_type not in _PACKED:
            raise ValueError(f"{where} is packed by zip method {info.compress_type}: write it with numpy.savez")
        if info.file_size > limits.array_bytes:
            raise ValueError(f"{where} has {info.file_size} bytes, expected at most {limits.array_bytes}")
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise ValueError(f"it unpacks to {total} bytes, expected at most {limits.total_bytes}")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    where = f"member {info.filename!r}"
    with archive.open(info) as stream:
        data = stream.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ValueError(f"{where} has {len(data)} bytes, but its directory entry says {info.file_size}")
    buffer = io.BytesIO(data)
    try:
        shape, dtype = _read_header(buffer)
        if math.prod(shape) * dtype.itemsize != len(data) - buffer.tell():
            raise ValueError(f"its header (shape {shape}, {dtype}) does not match its size")
        buffer.seek(0)
        array: Array = np.lib.format.read_array(buffer, allow_pickle=False, max_header_size=_HEADER_BYTES)
    except (ValueError, *_PARSE_ERRORS) as error:
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from error
    return array


def _read_shape(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, ...]:
    with archive.open(info) as stream:
        start = io.BytesIO(stream.read(2 * _HEADER_BYTES))
    try:
        return _read_header(start)[0]
    except (ValueError, *_PARSE_ERRORS) as error:
        raise ValueError(f"member {info.filename!r}: {' '.join(str(error).split())}") from error


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
        version
    )
    if read_header is None:
        raise ValueError(f"npy version {version} is not supported")
    shape, _, dtype = read_header(stream, max_header_size=_HEADER_BYTES)
    if dtype.hasobject:
        raise ValueError("it has dtype object, which only pickle could load")
    return shape, dtype
