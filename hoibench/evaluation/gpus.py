"""The GPUs of this machine, which worker processes share."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "CUDA_VISIBLE_DEVICES"
"""The environment variable that names the GPUs that CUDA may use."""


def visible_gpus() -> tuple[str, ...]:
    """Return the names that ``CUDA_VISIBLE_DEVICES`` has for the GPUs that this process may use; CUDA is not started."""
    names = os.environ.get(VARIABLE)
    if names is not None:
        return tuple(name.strip() for name in names.split(",") if name.strip())
    import torch

    return tuple(map(str, range(torch.cuda.device_count())))


def gpu_variables(device: str, worker: int) -> Mapping[str, str]:
    """Return the environment variables that give the worker with a number, from 0, one of several GPUs."""
    gpus = visible_gpus() if device == "cuda" else ()
    return {VARIABLE: gpus[worker % len(gpus)]} if len(gpus) > 1 else {}
