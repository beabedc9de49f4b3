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
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hoibench.clip import Array
from hoibench.store.restricted_pickle import DAMAGE, RestrictedUnpickler, read_bounded, reason

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


def read_torch_pickle(path: Path) -> Any:
    """What a pickle of containers, numbers, strings and torch tensors holds, the tensors as numpy arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is larger than 1 GiB, cut short, or names anything but tensors; the message names the file.
    """
    data = read_bounded(path, _MAX_BYTES)
    try:
        return _Tensors(io.BytesIO(data)).load()
    except DAMAGE as error:
        raise ValueError(f"{path} is no whole pickle of torch tensors ({reason(error)}): unpack it again") from error


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


def _read_storage(blob: bytes) -> Array:
    """The numbers of the one storage in a legacy torch stream."""
    stream = io.BytesIO(blob)
    magic, protocol, system = (RestrictedUnpickler(stream).load() for _ in range(3))
    if magic != _MAGIC or protocol != _PROTOCOL or not system["little_endian"]:
        raise ValueError("a storage is not a little-endian legacy torch stream")
    name, key, length = _StorageId(stream).load()
    keys = RestrictedUnpickler(stream).load()
    (written,) = struct.unpack("<q", stream.read(8))
    numbers = np.frombuffer(stream.read(), dtype=_DTYPES[name])
    if keys != [key] or written != length or len(numbers) != length:
        raise ValueError(f"a storage holds {len(numbers)} numbers, its header says {length}")
    return numbers


class _Tensors(RestrictedUnpickler):
    names: ClassVar[Mapping[tuple[str, str], Any]] = {
        ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        ("collections", "OrderedDict"): OrderedDict,
    }

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self._storages: dict[int, tuple[bytes, Array]] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self._load_storage
        return super().find_class(module, name)

    def _load_storage(self, blob: bytes) -> Array:
        # Every view of a storage carries all of it, and comparing is cheaper than reading it again.
        known, numbers = self._storages.get(len(blob), (None, None))
        if numbers is None or known != blob:
            numbers = _read_storage(blob)
            self._storages[len(blob)] = blob, numbers
        return numbers


class _StorageId(RestrictedUnpickler):
    """The persistent id of a storage: ("storage", type, key, device, length, view)."""

    names: ClassVar[Mapping[tuple[str, str], Any]] = {("torch", name): name for name in _DTYPES}

    def persistent_load(self, pid: Any) -> tuple[str, str, int]:
        kind, name, key, _device, length, view = pid
        if kind != "storage" or view is not None:
            raise pickle.UnpicklingError(f"storage id {pid!r} is of an unknown kind")
        return name, key, length
