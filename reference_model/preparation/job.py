"""What every step of preparing a latent cache needs to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from reference_model.cache.metadata import Origin, refuse_others
from reference_model.config import SyncMV4DConfig


@dataclass(frozen=True)
class Job:
    """A cache that is being prepared.

    Attributes:
        out: its folder.
        origin: what its files are made with.
        config: the model that it is for.
        wan: the checkpoint, a folder of Wan2.2-TI2V-5B-Diffusers.
        device: ``cpu`` or ``cuda``.
    """

    out: Path
    origin: Origin
    config: SyncMV4DConfig
    wan: Path
    device: str

    @property
    def dtype(self) -> torch.dtype:
        """Of latents and text as stored."""
        stored: torch.dtype = getattr(torch, self.origin.dtype)
        return stored

    def check(self) -> None:
        """Raise ValueError if the cache has been claimed for something else since; asked before each file is written."""
        refuse_others(self.out, self.origin.to_json())
