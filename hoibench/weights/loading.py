"""Tensors out of a weight file, without running anything that it holds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """The state dict of a torch checkpoint, on the CPU.

    Raises:
        ValueError: the file is no checkpoint, or holds anything but tensors by name.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # a broken stream leads the unpickler into any error
        raise ValueError(f"{path} is not a plain torch checkpoint: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no state dict (tensors by name)")
    return dict(state)


def load_into(module: torch.nn.Module, path: Path, missing: Iterable[str] = ()) -> None:
    """Load a checkpoint into a module; exactly the tensors named in ``missing`` may be absent from it.

    Raises:
        ValueError: names or shapes differ otherwise.
    """
    state = load_state(path)
    try:
        keys = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(module).__name__}: {error}") from error
    if set(keys.missing_keys) != set(missing) or keys.unexpected_keys:
        raise ValueError(
            f"{path} does not fit {type(module).__name__}: missing {sorted(keys.missing_keys)} (expected {sorted(missing)}), "
            f"unexpected {sorted(keys.unexpected_keys)}"
        )
