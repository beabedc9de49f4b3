"""Predictions that lie in a folder: where one clip's are, and for which seeds."""

from __future__ import annotations

from pathlib import Path


def comes_by_seed(folder: Path) -> bool:
    """Whether predictions lie in ``seed-S/CLIP``, a set for each seed, and not in ``CLIP``, one for all."""
    return any(path.is_dir() for path in folder.glob("seed-*"))


def find_precomputed(folder: Path, clip: str, seed: int) -> Path:
    """The folder of one clip.

    Raises:
        FileNotFoundError: it is not there; names it.
    """
    found = folder / f"seed-{seed}" / clip if comes_by_seed(folder) else folder / clip
    if not found.is_dir():
        raise FileNotFoundError(f"no prediction for clip {clip}: expected {found}")
    return found
