"""Safetensors files whose header has metadata (a ``Record``) and a digest of metadata and tensors, so that damage is detected on reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hoibench.store import canonical_json, write_bytes
from hoibench.store.records import Record, parse_record
from hoibench.store.verified_folder import CorruptFolder

_KEY = "hoibench"
"""Key of the only metadata entry of the header: safetensors writes several entries in an order that differs between runs."""

M = TypeVar("M", bound=Record)


class _Header(Record):
    """The metadata entry of the header: the file's metadata, and a SHA-256 of it and of all tensors."""

    metadata: dict[str, Any]
    sha256: str


def corrupt_file_error(path: Path, fault: str) -> CorruptFolder:
    """Return an error whose message names a damaged file of the latent cache, the fault and the fix."""
    return CorruptFolder(f"{path} {fault}: delete it and run python -m reference_model.prepare again")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Record) -> None:
    """Write named tensors and metadata to a safetensors file, atomically; equal contents give equal bytes.

    Raises:
        ValueError: a tensor contains NaN or infinity; names it.
        OSError: the disk is full or the folder cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{name} contains NaN or infinity, so {path} was not written")
    header = _Header(metadata=metadata.to_json(), sha256=_digest(tensors, metadata))
    write_bytes(path, save(tensors, metadata={_KEY: canonical_json(header.to_json())}))


def read_tensors(path: Path, model: type[M]) -> tuple[dict[str, Tensor], M]:
    """Read all tensors, by name, and the metadata of a file that ``write_tensors`` wrote, and verify their digest.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFolder: it is truncated, changed, or not written by ``write_tensors``; names the file and the fix.
    """
    tensors, metadata, sha256 = _read(path, model, _read_all)
    if sha256 != _digest(tensors, metadata):
        raise corrupt_file_error(path, "differs from what was written")
    return tensors, metadata


def read_slices(path: Path, model: type[M], slices: Mapping[str, slice]) -> tuple[dict[str, Tensor], M]:
    """Read rows of some tensors, and the metadata, of a file that ``write_tensors`` wrote; the digest is not verified.

    Args:
        path: the file.
        model: class of the metadata.
        slices: rows (indices of the first dimension) to read, by the tensor's name.

    Returns:
        The rows of each named tensor, and the metadata.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFolder: it is truncated, lacks a tensor, or is not written by ``write_tensors``.
    """
    tensors, metadata, _ = _read(
        path, model, lambda stream: {name: stream.get_slice(name)[rows] for name, rows in slices.items()}
    )
    return tensors, metadata


def _read(path: Path, model: type[M], read: Callable[[Any], dict[str, Tensor]]) -> tuple[dict[str, Tensor], M, str]:
    """Return the tensors that ``read`` reads from an open safetensors file, the file's metadata, and its stored digest."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run python -m reference_model.prepare again")
    try:
        with safe_open(path, framework="pt") as stream:
            header = parse_record(_Header, json.loads((stream.metadata() or {})[_KEY]), "its header")
            return read(stream), parse_record(model, header.metadata, "its header"), header.sha256
    except (SafetensorError, KeyError, ValueError) as error:
        raise corrupt_file_error(path, f"is truncated or not a file of the cache ({error})") from error


def _read_all(stream: Any) -> dict[str, Tensor]:
    return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  (not a dict)


def _digest(tensors: Mapping[str, Tensor], metadata: Record) -> str:
    """Return the SHA-256 of the metadata and of each tensor's name, type, shape and values, independent of the file's layout."""
    digest = hashlib.sha256(canonical_json(metadata.to_json()).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
