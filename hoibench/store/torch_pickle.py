"""Untrusted pickles of torch tensors, read without executing them and without importing torch.

A tensor in a plain pickle is a call of ``torch._utils._rebuild_tensor_v2`` on a storage, and the storage a call of ``torch.storage._load_from_bytes``
on torch's legacy stream: five pickles, then each storage's length and raw numbers.  Both are rebuilt here as numpy arrays; any other name in a pickle
is an error.  The storage's device is ignored.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hoibench.clip import Array
from hoibench.store.bounded_file import read_bounded
from hoibench.store.restricted_pickle import PICKLE_ERRORS, RestrictedUnpickler, short_message

MAX_BYTES = 1 << 30
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
_MAX_AXES = 16
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


def read_torch_pickle(path: Path) -> Any:
    """Read a pickle of containers, numbers, strings and torch tensors; tensors become numpy arrays.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is larger than 1 GiB, truncated, or names anything but tensors; the message names the file.
    """
    data = read_bounded(path, MAX_BYTES)
    try:
        return _Tensors(data).load()
    except PICKLE_ERRORS as error:
        raise ValueError(
            f"{path} is not a complete pickle of torch tensors ({short_message(error)}): unpack it again"
        ) from error


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Array:
    """Return a tensor as an array: a copy of the numbers of its storage (n,) at this offset, size and stride, counted in elements."""
    # Messages include only checked numbers: the repr of a nested tuple of a few pickled bytes can take gigabytes.
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise ValueError("a tensor has no storage")
    if not (_are_sizes((offset,)) and _are_sizes(size) and _are_sizes(stride) and len(size) == len(stride)):
        raise ValueError("a tensor's size, stride and offset are not valid or not consistent")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if (0 not in size and last >= len(storage)) or math.prod(size) > len(storage):
        raise ValueError(
            f"a tensor of size {size}, stride {stride} from {offset} exceeds its storage of {len(storage)}"
        )
    if 0 in size:
        return np.empty(size, dtype=storage.dtype)
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


def _are_sizes(values: Any) -> bool:
    """Return True for a tuple of at most 16 integers from 0 to 2^30, valid as a tensor's sizes, strides or offset."""
    return (
        isinstance(values, tuple)
        and len(values) <= _MAX_AXES
        and all(type(n) is int and 0 <= n <= MAX_BYTES for n in values)
    )


def _read_storage(blob: bytes) -> Array:
    """Return the numbers (n,) of the storage in a legacy torch stream, which must contain exactly one."""
    stream = io.BytesIO(blob)
    magic, protocol, system = (RestrictedUnpickler(stream).load() for _ in range(3))
    if magic != MAGIC or protocol != PROTOCOL or not isinstance(system, dict) or system["little_endian"] is not True:
        raise ValueError("a storage is not a little-endian legacy torch stream")
    name, key, length = _StorageId(stream).load()
    keys = RestrictedUnpickler(stream).load()
    (written,) = struct.unpack("<q", stream.read(8))
    numbers = np.frombuffer(stream.read(), dtype=_DTYPES[name])
    if keys != [key]:
        raise ValueError("a storage has another key than its header says")
    if written != length or len(numbers) != length:
        raise ValueError(f"a storage has {len(numbers)} numbers, but its header says {length}")
    return numbers


class _Tensors(RestrictedUnpickler):
    names: ClassVar[Mapping[tuple[str, str], Any]] = {("collections", "OrderedDict"): OrderedDict}

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._storages: dict[int, tuple[bytes, Array]] = {}
        self._bytes_left = len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self._load_storage
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._load_tensor
        return super().find_class(module, name)

    def _load_tensor(self, *arguments: Any) -> Array:
        tensor = _rebuild_tensor(*arguments)
        # Limit the total: many views of one storage could otherwise exhaust memory.
        self._bytes_left -= tensor.nbytes
        if self._bytes_left < 0:
            raise ValueError("its tensors are larger than the file")
        return tensor

    def _load_storage(self, blob: Any) -> Array:
        # Each view of a storage repeats all of it, and comparing is cheaper than parsing again.
        known, numbers = self._storages.get(len(blob), (None, None))
        if numbers is None or known != blob:
            numbers = _read_storage(blob)
            self._storages[len(blob)] = blob, numbers
        return numbers


class _StorageId(RestrictedUnpickler):
    """An unpickler of a storage's persistent id, ("storage", type, key, device, length, view); returns (type, key, length)."""

    names: ClassVar[Mapping[tuple[str, str], Any]] = {("torch", name): name for name in _DTYPES}

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        kind, name, key, _device, length, view = pid
        is_known = kind == "storage" and view is None and isinstance(name, str) and isinstance(key, str)
        if not (is_known and _are_sizes((length,))):
            raise pickle.UnpicklingError("a storage has an invalid id or length")
        return name, key, length
