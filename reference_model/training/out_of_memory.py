"""Out-of-memory errors whose message says how to use less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hoibench.errors import Crash
from reference_model.config import SyncMV4DConfig
from reference_model.training.config import TrainingConfig, TrainingStage

SHARD_HINT = "start in another --out with --engine zero3 on more processes"
"""Hint for a model that does not fit into memory together with its optimizer."""


@contextmanager
def oom_hint(where: str, hint: str) -> Iterator[None]:
    """Raise Crash, whose message names ``where`` and ends with ``hint``, if the ``with`` block runs out of memory on the CPU or a GPU.

    Raises:
        Crash: memory is full.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        is_cpu = "can't allocate memory" in str(error)  # PyTorch has no error class for it
        if not (is_cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)):
            raise
        # Without the traceback, which would hide the message.
        raise Crash(f"out of memory ({where}): {hint}; the last checkpoint is unchanged") from None


def step_hint(model: SyncMV4DConfig, config: TrainingConfig, stage: TrainingStage) -> str:
    """Return a hint, part of a sentence, about settings that lower the memory of a training step.

    Only gradient checkpointing leaves all numbers equal, so the run may resume with it; other settings need a new run.
    """
    options = [
        *(["batch_size 1"] if config.batch_size > 1 else []),
        "a smaller size of the stage",
        *(["cycle.gradient none"] if stage.objective == "joint" and model.cycle.gradient != "none" else []),
        *([] if config.precision == "bf16" else ["precision bf16"]),
        "--engine zero3 on more processes",
    ]
    restart = f"start in another --out with {', '.join(options[:-1])} or {options[-1]}"
    return restart if config.gradient_checkpointing else f"set gradient_checkpointing to true and resume, or {restart}"
