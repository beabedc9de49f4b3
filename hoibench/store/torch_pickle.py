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
    """What a pickle of containers, numbers, strings and torch tensors holds, the tensors as numpy arrays.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is larger than 1 GiB, cut short, or names anything but tensors; the message names the file.
    """
    data = read_bounded(path, _MAX_BYTES)
    try:
        return _Tensors(data).load()
    except DAMAGE as error:
        raise ValueError(f"{path} is no whole pickle of torch tensors ({reason(error)}): unpack it again") from error


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Array:
    """The array of ``size`` and ``stride`` (elements) that starts ``offset`` elements into a storage."""
    # Nothing is told of what is not known to be numbers: in a few bytes, a tuple can nest one that takes gigabytes to write out.
    if not isinstance(storage, np.ndarray) or storage.ndim != 1:
        raise ValueError("a tensor has no storage")
    if not (_are_sizes((offset,)) and _are_sizes(size) and _are_sizes(stride) and len(size) == len(stride)):
        raise ValueError("a tensor's size, stride and offset are no numbers that fit together")
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
    """Whether these are a tuple of a few integers from 0 that a file may count with."""
    return (
        isinstance(values, tuple)
        and len(values) <= _MAX_AXES
        and all(type(n) is int and 0 <= n <= _MAX_BYTES for n in values)
    )


def _read_storage(blob: bytes) -> Array:
    """The numbers of the one storage in a legacy torch stream."""
    stream = io.BytesIO(blob)
    magic, protocol, system = (RestrictedUnpickler(stream).load() for _ in range(3))
    if magic != _MAGIC or protocol != _PROTOCOL or not isinstance(system, dict) or system["little_endian"] is not True:
        raise ValueError("a storage is not a little-endian legacy torch stream")
    name, key, length = _StorageId(stream).load()
    keys = RestrictedUnpickler(stream).load()
    (written,) = struct.unpack("<q", stream.read(8))
    numbers = np.frombuffer(stream.read(), dtype=_DTYPES[name])
    if not isinstance(keys, list) or len(keys) != 1 or not isinstance(keys[0], str) or keys[0] != key:
        raise ValueError("a storage is not under the key that its header says")
    if written != length or len(numbers) != length:
        raise ValueError(f"a storage holds {len(numbers)} numbers, its header says {length}")
    return numbers


class _Tensors(RestrictedUnpickler):
    names: ClassVar[Mapping[tuple[str, str], Any]] = {("collections", "OrderedDict"): OrderedDict}

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self._storages: dict[int, tuple[bytes, Array]] = {}
        self._left = len(data)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self._load_storage
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._load_tensor
        return super().find_class(module, name)

    def _load_tensor(self, *arguments: Any) -> Array:
        tensor = _rebuild_tensor(*arguments)
        # A tensor is written with its whole storage; many views of one that was written once would outgrow any memory.
        self._left -= tensor.nbytes
        if self._left < 0:
            raise ValueError("its tensors hold more than the file")
        return tensor

    def _load_storage(self, blob: Any) -> Array:
        if not isinstance(blob, bytes):
            raise ValueError(f"a storage is read from a {type(blob).__name__}")
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
        if kind != "storage" or view is not None or not isinstance(name, str) or not isinstance(key, str):
            raise pickle.UnpicklingError("a storage's id is of an unknown kind")
        if not _are_sizes((length,)):
            raise pickle.UnpicklingError("a storage's length is no number that fits in a file")
        return name, key, length
