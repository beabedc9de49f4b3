"""npz files from strangers: no pickle, every size checked before memory is taken for it."""

from __future__ import annotations

import errno
import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hoibench.clip import Array
from hoibench.store.atomic import atomic_write

_HEADER_BYTES = 1_000  # nested deeper, Python's parser gives up with MemoryError
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, SyntaxError, UnicodeError, ArithmeticError,
    LookupError, TypeError, EOFError, RuntimeError,
)  # fmt: skip
"""What zipfile, zlib and numpy raise on bytes that no npz holds, beside ValueError."""


@dataclass(frozen=True)
class ArrayLimits:
    """Bounds on an npz file: arrays in it, bytes of one array, bytes in all.

    They alone bound the memory it takes.  How well it is packed says nothing: deflate shrinks masks of one value by 1030:1.
    """

    members: int = 64
    array_bytes: int = 1 << 30
    total_bytes: int = 2 << 30


def write_npz(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write named arrays to a compressed npz file, atomically.

    Raises:
        ValueError: an array has dtype object, which only pickle could store.
    """
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{path}: array {name!r} has dtype object, which is not stored")
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)


def read_npz(path: Path, limits: ArrayLimits | None = None) -> dict[str, Array]:
    """Read every array of an npz file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not an npz, or breaks a limit; the message names file, member, value and limit.
    """
    limits = limits or ArrayLimits()
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_directory(archive, limits)
                return {info.filename.removesuffix(".npy"): _read_member(archive, info) for info in archive.infolist()}
        except _DAMAGE as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ValueError(f"{path} is not a whole npz file ({reason}): write it again with numpy.savez") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        except OSError as error:
            # A seek to a place that no file has; other errors are the disk's.
            if error.errno != errno.EINVAL:
                raise
            raise ValueError(f"{path} is not a whole npz file ({error}): write it again with numpy.savez") from error


def _check_directory(archive: zipfile.ZipFile, limits: ArrayLimits) -> None:
    infos = archive.infolist()
    if len(infos) > limits.members:
        raise ValueError(f"it holds {len(infos)} arrays, at most {limits.members} are read")
    if len({info.filename for info in infos}) != len(infos):
        raise ValueError("it holds two arrays of the same name")
    for info in infos:
        where = f"member {info.filename!r}"
        if not info.filename.endswith(".npy") or "/" in info.filename or "\\" in info.filename:
            raise ValueError(f"{where} is not an array of an npz file")
        if info.flag_bits & 1:
            raise ValueError(f"{where} is encrypted")
        if info.compress_type not in _PACKED:
            raise ValueError(f"{where} is packed by zip method {info.compress_type}: write it with numpy.savez")
        if info.file_size > limits.array_bytes:
            raise ValueError(f"{where} has {info.file_size} bytes, at most {limits.array_bytes} are read")
    total = sum(info.file_size for info in infos)
    if total > limits.total_bytes:
        raise ValueError(f"it unpacks to {total} bytes, at most {limits.total_bytes} are read")


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    where = f"member {info.filename!r}"
    with archive.open(info) as stream:
        data = stream.read(info.file_size + 1)
    if len(data) != info.file_size:
        raise ValueError(f"{where} holds {len(data)} bytes, its directory says {info.file_size}")
    buffer = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(buffer)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(
            version
        )
        if read_header is None:
            raise ValueError(f"npy version {version} is not read")
        shape, _, dtype = read_header(buffer, max_header_size=_HEADER_BYTES)
        if dtype.hasobject:
            raise ValueError("it has dtype object, which only pickle could load")
        if math.prod(shape) * dtype.itemsize != len(data) - buffer.tell():
            raise ValueError(f"its header says shape {shape} of {dtype}, its bytes say otherwise")
        buffer.seek(0)
        array: Array = np.lib.format.read_array(buffer, allow_pickle=False, max_header_size=_HEADER_BYTES)
    except (ValueError, *_DAMAGE) as error:
        raise ValueError(f"{where}: {' '.join(str(error).split())}") from error
    return array
