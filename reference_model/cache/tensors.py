"""Safetensors files that say what they are: facts and a digest of all that they hold lie in the header, so that damage is found on reading."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hoibench.store import canonical_json, write_bytes

_KEY = "hoibench"
"""The one entry of the header: several would be written in an order that differs from run to run."""


class Damaged(ValueError):
    """A file is not as it was written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} {reason}: delete it and run python -m reference_model.prepare again")


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write tensors with JSON-serialisable facts, whole or not at all; equal contents give equal bytes.

    Raises:
        ValueError: a tensor holds NaN or infinity; names it.
        OSError: the disk is full or the folder cannot be written.
    """
    ours = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    bad = _not_finite(ours)
    if bad is not None:
        raise ValueError(f"{bad}, so {path} was not written")
    whole = {**facts, "sha256": _digest(ours, facts)}
    write_bytes(path, save(ours, metadata={_KEY: canonical_json(whole)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file and its facts, all of it checked.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is truncated, changed, no file of ``write_tensors``, or holds NaN; names the file and what to do.
    """
    tensors, facts, recorded = _read(path, lambda stream: {name: stream.get_tensor(name) for name in stream.keys()})  # noqa: SIM118  (it is no dict)
    if recorded != _digest(tensors, facts):
        raise Damaged(path, "is not as it was written")
    bad = _not_finite(tensors)
    if bad is not None:
        raise Damaged(path, f"cannot be trained on, {bad}")
    return tensors, facts


def read_some(path: Path, rows: Mapping[str, slice]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """These rows of some tensors of a file, and its facts; nothing else is read, so that the digest is not checked.

    Raises:
        FileNotFoundError: there is no such file.
        Damaged: it is truncated, no file of ``write_tensors``, lacks a tensor, or what was read holds NaN.
    """
    tensors, facts, _ = _read(path, lambda stream: {name: stream.get_slice(name)[each] for name, each in rows.items()})
    bad = _not_finite(tensors)
    if bad is not None:
        raise Damaged(path, f"cannot be trained on, {bad}")
    return tensors, facts


def _read(path: Path, take: Callable[[Any], dict[str, Tensor]]) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """What ``take`` reads of a file, its facts, and the digest that it was written with."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: run python -m reference_model.prepare again")
    try:
        with safe_open(path, framework="pt") as stream:
            facts = json.loads((stream.metadata() or {})[_KEY])
            return take(stream), facts, facts.pop("sha256")
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise Damaged(path, f"is truncated or none of the cache's files ({error})") from error


def _not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return f"{name} holds NaN or infinity"
    return None


def _digest(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> str:
    """SHA-256 of the facts and of each tensor's name, type, shape and numbers, however the file lays them out."""
    digest = hashlib.sha256(canonical_json(facts).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\0{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
