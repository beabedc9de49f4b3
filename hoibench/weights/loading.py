"""Load the tensors of a checkpoint without executing code in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch


def read_state_dict(path: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    """Return the state dict (name -> tensor on the CPU) of a torch checkpoint or a safetensors file.

    Args:
        path: a file whose name ends in ``.safetensors``, or a torch checkpoint: a state dict, or a dict with one under ``state_dict``.
        prefix: only tensors whose names start with it are returned, without it in their names.

    Raises:
        ValueError: the file is no checkpoint, has values other than named tensors, or no tensor with the prefix.
    """
    state = _read_safetensors(path, prefix) if path.suffix == ".safetensors" else _read_torch(path)
    chosen = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
    if prefix and not chosen:
        raise ValueError(f"{path} has no tensor whose name starts with {prefix}")
    return chosen


def load_weights(module: torch.nn.Module, path: Path, missing: Iterable[str] = (), prefix: str = "") -> None:
    """Load the tensors of a checkpoint into a module, in place; exactly the module's tensors named in ``missing`` must be absent from the file.

    ``path`` and ``prefix`` are as in ``read_state_dict``.

    Raises:
        ValueError: the file is not a checkpoint, other names differ, or shapes differ.
    """
    load_tensors(module, read_state_dict(path, prefix), path, missing)


def load_tensors(
    module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path, missing: Iterable[str] = ()
) -> None:
    """Load named tensors into a module, in place; a module built on the device ``meta`` takes the tensors themselves.

    Args:
        module: the network.
        state: name -> tensor, from ``read_state_dict``.
        path: the file of the tensors, for messages.
        missing: names of the module's tensors that must be absent from ``state``; no others may be.

    Raises:
        ValueError: other names differ, or shapes differ.
    """
    is_meta = any(parameter.is_meta for parameter in module.parameters())
    try:
        keys = module.load_state_dict(state, strict=False, assign=is_meta)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(module).__name__}: {error}") from error
    if set(keys.missing_keys) != set(missing) or keys.unexpected_keys:
        raise ValueError(
            f"{path} does not fit {type(module).__name__}: missing {sorted(keys.missing_keys)} (expected {sorted(missing)}), "
            f"unexpected {sorted(keys.unexpected_keys)}"
        )


def _read_torch(path: Path) -> dict[str, torch.Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can cause any error in the unpickler
        raise ValueError(f"{path} is not a plain torch checkpoint: {error}") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} is not a state dict of named tensors")
    return dict(state)


def _read_safetensors(path: Path, prefix: str) -> dict[str, torch.Tensor]:
    """Read only the tensors whose names start with ``prefix``: the file may be larger than the memory."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
