"""Which device a command works on."""

from __future__ import annotations

import torch


def device_of(asked: str) -> str:
    """``cpu`` or ``cuda`` for what ``--device`` says: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        ValueError: ``cuda`` is asked for, and there is none.
    """
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise ValueError("--device cuda: torch sees no CUDA device here; use --device cpu")
    return "cuda" if there and asked != "cpu" else "cpu"
