"""The clips that a submission is for: those of a split, and their shape."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hoibench.datasets.base import Grid, Manifest
from hoibench.datasets.registry import all_datasets, open_dataset
from hoibench.datasets.split_files import SPLITS_FOLDER, VersionedSplit
from hoibench.plugins import get_by_name, load_object


@dataclass(frozen=True)
class Target:
    """The manifest of a split, and the shape of its clips if it is known."""

    manifest: Manifest
    grid: Grid | None


def find_target(dataset: str, split: str, root: Path | None = None) -> Target:
    """Return the clips of a split; shipped splits need no data.

    Args:
        dataset: the data set's name.
        split: ``NAME@VERSION/PART``.
        root: the data set's folder, for a split that is not shipped.

    Raises:
        UnknownName: the data set or the split does not exist.
        FileNotFoundError, ValueError: the data set cannot be opened, or has another version of the split.
    """
    card = get_by_name("data set", dataset, all_datasets())
    name, _, part = split.rpartition("/")
    shipped = {path.parent.name for path in SPLITS_FOLDER.glob("*/manifest.json")}
    if name in shipped and name.startswith((f"{dataset}@", f"{dataset}-")):
        return Target(VersionedSplit(name).manifest(part), load_object(card.entry).grid)
    opened = open_dataset(dataset, root)
    manifest = opened.manifest(split if split in opened.splits() else part)
    if manifest.split != split:
        raise ValueError(f"the data set {dataset} has no split {split!r}, but {manifest.split!r}")
    return Target(manifest, opened.grid)
