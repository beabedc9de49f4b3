"""Write files of hand poses in the format of TACO: pickles of a dict with torch tensors per frame.

As in TACO's files, the tensors of all frames are rows of one array, which is pickled again with each row.  torch names a pickled array by its memory
address; here each is named "0", so that equal hands give equal bytes.
"""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.storage import _load_from_bytes

from hoibench.clip import Array
from hoibench.store import write_bytes

_LEGACY_HEADER = (
    torch.serialization.MAGIC_NUMBER,
    torch.serialization.PROTOCOL_VERSION,
    {
        "protocol_version": 1001,
        "little_endian": sys.byteorder == "little",
        "type_sizes": {"short": 2, "int": 4, "long": 4},
    },
)
_KEY = "0"


def write_hand(folder: Path, side: str, theta: Array, trans: Array, betas: Array) -> None:
    """Write ``{side}_hand.pkl`` and ``{side}_hand_shape.pkl`` to a folder, in single precision.

    Args:
        folder: the target folder.
        side: ``left`` or ``right``.
        theta: (N, 48) axis-angle vectors of the wrist and 15 joints, in radians.
        trans: (N, 3) position in metres.
        betas: (10,) shape parameters.
    """
    poses, places = theta.astype(np.float32), trans.astype(np.float32)
    frames = {f"{i + 1:05d}": {"hand_pose": _Row(poses, i), "hand_trans": _Row(places, i)} for i in range(len(poses))}
    write_bytes(folder / f"{side}_hand.pkl", _dump(frames))
    shape = {"hand_shape": _Row(betas.astype(np.float32)[None], 0)}
    write_bytes(folder / f"{side}_hand_shape.pkl", _dump(shape))


@dataclass(frozen=True, eq=False)
class _Row:
    """A value that is pickled as the torch tensor ``torch.from_numpy(storage)[index]``, with storage (N, D) float32."""

    storage: Array
    index: int

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        width = self.storage.shape[1]
        arguments: tuple[Any, ...] = (_Storage(self.storage), self.index * width, (width,), (1,), False, OrderedDict())
        return torch._utils._rebuild_tensor_v2, arguments


@dataclass(frozen=True, eq=False)
class _Storage:
    """A value that is pickled as a torch CPU storage of single-precision numbers."""

    numbers: Array

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[bytes]]:
        return _load_from_bytes, (self._legacy_stream(),)

    def _legacy_stream(self) -> bytes:
        stream = io.BytesIO()
        for part in _LEGACY_HEADER:
            pickle.dump(part, stream, protocol=2)
        _StorageId(stream, protocol=2).dump(self)
        pickle.dump([_KEY], stream, protocol=2)
        stream.write(struct.pack("<q", self.numbers.size))
        stream.write(self.numbers.astype("<f4").tobytes())
        return stream.getvalue()


class _StorageId(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, _Storage):
            return ("storage", torch.FloatStorage, _KEY, "cpu", value.numbers.size, None)
        return None


def _dump(value: Any) -> bytes:
    return pickle.dumps(value, protocol=4)
