"""Predictions that lie in a folder: where one clip's are."""

from __future__ import annotations

from pathlib import Path


def find_precomputed(folder: Path, clip: str, seed: int) -> Path:
    """The folder of one clip: ``seed-S/CLIP`` where predictions come by seed, else ``CLIP``.

    Raises:
        FileNotFoundError: neither is there; names both.
    """
    by_seed, plain = folder / f"seed-{seed}" / clip, folder / clip
    for candidate in (by_seed, plain):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"no prediction for clip {clip}: expected {by_seed} or {plain}")
