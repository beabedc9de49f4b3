"""Full memory, told with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hoibench.errors import Crash
from reference_model.config import SyncMV4DConfig
from reference_model.training.config import TrainingConfig, TrainingStage

SHARE_OUT = "begin in another --out with --engine zero3 on more processes"
"""What helps where the model and its optimizer alone do not fit."""


@contextmanager
def advised(where: str, advice: str) -> Iterator[None]:
    """Say what to do where memory is full.

    Raises:
        Crash: it is.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        on_cpu = "can't allocate memory" in str(error)  # which has no class of its own
        if not (on_cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)):
            raise
        # Without its traceback, which would hide the sentence.
        raise Crash(f"memory is full ({where}): {advice}; the last checkpoint is as it was") from None


def of_iteration(model: SyncMV4DConfig, config: TrainingConfig, stage: TrainingStage) -> str:
    """What makes an iteration take less; only gradient checkpointing changes no number, so that the same training may go on with it."""
    begins = [
        *(["batch 1"] if config.batch > 1 else []),
        "a smaller size of the stage",
        *(["cycle.gradient none"] if stage.stage == "joint" and model.cycle.gradient != "none" else []),
        *([] if config.precision == "bf16" else ["precision bf16"]),
        "--engine zero3 on more processes",
    ]
    anew = f"begin in another --out with {', '.join(begins[:-1])} or {begins[-1]}"
    return anew if config.gradient_checkpointing else f"set gradient_checkpointing to true and go on, or {anew}"
