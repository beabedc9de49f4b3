"""Load the tensors of a torch checkpoint without executing code in the file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Return the state dict (name -> tensor on the CPU) of a torch checkpoint.

    Raises:
        ValueError: the file is not a checkpoint, or has values other than named tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a damaged file can cause any error in the unpickler
        raise ValueError(f"{path} is not a plain torch checkpoint: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} is not a state dict of named tensors")
    return dict(state)


def load_weights(module: torch.nn.Module, path: Path, missing: Iterable[str] = ()) -> None:
    """Load the tensors of a checkpoint into a module, in place; exactly the module's tensors named in ``missing`` must be absent from the file.

    Raises:
        ValueError: the file is not a checkpoint, other names differ, or shapes differ.
    """
    state = read_state_dict(path)
    try:
        keys = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(module).__name__}: {error}") from error
    if set(keys.missing_keys) != set(missing) or keys.unexpected_keys:
        raise ValueError(
            f"{path} does not fit {type(module).__name__}: missing {sorted(keys.missing_keys)} (expected {sorted(missing)}), "
            f"unexpected {sorted(keys.unexpected_keys)}"
        )
