"""Safetensors files that say what they are: facts and a digest of all that they hold lie in the header, so that damage is found on reading."""

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
"""The one entry of the header: several would be written in an order that differs from run to run."""


AGAIN = "delete it and run python -m reference_model.prepare again"

F = TypeVar("F", bound=Record)


class _Header(Record):
    """The entry of the header: what the file says of itself, and a digest of that and of all tensors."""

    facts: dict[str, Any]
    sha256: str


def damaged(path: Path, reason: str) -> CorruptFolder:
    """The error of a file that is not as it was written."""
    return CorruptFolder(f"{path} {reason}: {AGAIN}")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Record) -> None:
    """Write tensors and what the file says of itself, whole or not at all; equal contents give equal bytes.

    Raises:
        ValueError: a tensor holds NaN or infinity; names it.
        OSError: the disk is full or the folder cannot be written.
    """
    ours = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    bad = _not_finite(ours)
    if bad is not None:
        raise ValueError(f"{bad}, so {path} was not written")
    header = _Header(facts=facts.to_json(), sha256=_digest(ours, facts))
    write_bytes(path, save(ours, metadata={_KEY: canonical_json(header.to_json())}))


def read_tensors(path: Path, model: type[F]) -> tuple[dict[str, Tensor], F]:
    """The tensors of a file and what it says of itself, all of it checked.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFolder: it is truncated, changed, no file of ``write_tensors``, or holds NaN; names the file and what to do.
    """
    tensors, facts, recorded = _read(path, model, _get_all)
    if recorded != _digest(tensors, facts):
        raise damaged(path, "is not as it was written")
    bad = _not_finite(tensors)
    if bad is not None:
        raise damaged(path, f"cannot be trained on, {bad}")
    return tensors, facts


def read_some(path: Path, model: type[F], rows: Mapping[str, slice]) -> tuple[dict[str, Tensor], F]:
    """These rows of some tensors of a file, and what it says of itself; nothing else is read, so that the digest is not checked.

    Raises:
        FileNotFoundError: there is no such file.
        CorruptFolder: it is truncated, no file of ``write_tensors``, lacks a tensor, or what was read holds NaN.
    """
    tensors, facts, _ = _read(
        path, model, lambda stream: {name: stream.get_slice(name)[each] for name, each in rows.items()}
    )
    bad = _not_finite(tensors)
    if bad is not None:
        raise damaged(path, f"cannot be trained on, {bad}")
    return tensors, facts


def _read(path: Path, model: type[F], take: Callable[[Any], dict[str, Tensor]]) -> tuple[dict[str, Tensor], F, str]:
    """The result of ``take`` on a file, its header, and the digest that it was written with."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run python -m reference_model.prepare again")
    try:
        with safe_open(path, framework="pt") as stream:
            header = parse_record(_Header, json.loads((stream.metadata() or {})[_KEY]), "its header")
            return take(stream), parse_record(model, header.facts, "its header"), header.sha256
    except (SafetensorError, KeyError, ValueError) as error:
        raise damaged(path, f"is truncated or none of the cache's files ({error})") from error


def _get_all(stream: Any) -> dict[str, Tensor]:
    return {name: stream.get_tensor(name) for name in stream.keys()}  # noqa: SIM118  (it is no dict)


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return f"{name} holds NaN or infinity"
    return None


def _digest(tensors: Mapping[str, Tensor], facts: Record) -> str:
    """SHA-256 of the facts and of each tensor's name, type, shape and numbers, however the file lays them out."""
    digest = hashlib.sha256(canonical_json(facts.to_json()).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
