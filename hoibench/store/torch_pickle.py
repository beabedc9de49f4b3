"""Pickles of dicts of torch tensors, read without running what they say and without importing torch.

A tensor in a plain pickle is a call of ``torch._utils._rebuild_tensor_v2`` on a storage, and the storage a call of ``torch.storage._load_from_bytes``
on torch's legacy stream: five pickles, then each storage's length and raw numbers.  Both are rebuilt here as numpy arrays; any other name in a pickle
is refused.  A storage that was on a GPU is read like one that was not.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hoibench.clip import Array

_MAX_BYTES = 1 << 30
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_BROKEN = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    struct.error,
    OverflowError,
)


def read_torch_pickle(path: Path) -> Any:
    """What a pickle of containers, numbers, strings and torch tensors holds, the tensors as numpy arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is larger than 1 GiB, cut short, or names anything but tensors; the message names the file.
    """
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(f"{path} has {size} bytes, at most {_MAX_BYTES} are read")
    try:
        return _Tensors(io.BytesIO(path.read_bytes())).load()
    except _BROKEN as error:
        raise ValueError(f"{path} is no whole pickle of torch tensors ({error}): unpack it again") from error


def _rebuild_tensor(storage: Array, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Array:
    """The array of ``size`` and ``stride`` (elements) that starts ``offset`` elements into a storage."""
    whole = all(isinstance(n, int) and n >= 0 for n in (offset, *size, *stride)) and len(size) == len(stride)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if whole else 0
    if not whole or (0 not in size and last >= len(storage)) or math.prod(size) > len(storage):
        raise ValueError(
            f"a tensor of size {size}, stride {stride} from {offset} exceeds its storage of {len(storage)}"
        )
    if 0 in size:
        return np.empty(size, dtype=storage.dtype)
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


def _load_storage(blob: bytes) -> Array:
    """The numbers of the one storage in a legacy torch stream."""
    stream = io.BytesIO(blob)
    magic, protocol, system = (_Plain(stream).load() for _ in range(3))
    if magic != _MAGIC or protocol != _PROTOCOL or not system["little_endian"]:
        raise ValueError("a storage is not a little-endian legacy torch stream")
    name, key, length = _StorageId(stream).load()
    keys = _Plain(stream).load()
    (written,) = struct.unpack("<q", stream.read(8))
    numbers = np.frombuffer(stream.read(), dtype=_DTYPES[name])
    if keys != [key] or written != length or len(numbers) != length:
        raise ValueError(f"a storage holds {len(numbers)} numbers, its header says {length}")
    return numbers


class _Restricted(pickle.Unpickler):
    names: ClassVar[dict[tuple[str, str], Any]] = {}

    def find_class(self, module: str, name: str) -> Any:
        try:
            return self.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed") from None


class _Plain(_Restricted):
    """Containers, numbers and strings."""


class _Tensors(_Restricted):
    names: ClassVar[dict[tuple[str, str], Any]] = {
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("torch.storage", "_load_from_bytes"): _load_storage,
        ("collections", "OrderedDict"): OrderedDict,
    }


class _StorageId(_Restricted):
    """The persistent id of a storage: ("storage", type, key, device, length, view)."""

    names: ClassVar[dict[tuple[str, str], Any]] = {("torch", name): name for name in _DTYPES}

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        kind, name, key, _device, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"storage id {pid!r} is of an unknown kind")
        return name, key, length
