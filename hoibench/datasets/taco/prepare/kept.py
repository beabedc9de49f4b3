"""What is kept of a prepared sequence is held against the download: cheaply by its files' stamps, and by values where these differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hoibench.datasets.taco.calibration import Calibration
from hoibench.datasets.taco.prepare.footage import video_facts
from hoibench.datasets.taco.prepare.prepared_facts import SequenceFacts, ViewFacts, view_facts
from hoibench.datasets.taco.prepare.prepared_folder import view_folders
from hoibench.datasets.taco.prepare.sealed import Damaged, peek
from hoibench.datasets.taco.prepare.stamps import Stamps, stamp_files
from hoibench.datasets.taco.recording import Recording


def check_video(recording: Recording, folder: Path, facts: ViewFacts, modality: str) -> None:
    """Raise ValueError if a view was made from another video than the download has; one that is gone compares with nothing."""
    serial = folder.name
    path = recording.sequence.videos(modality).get(serial)
    if path is None or _unchanged(recording, path, facts.stamps):
        return
    if facts.video != video_facts(recording, serial, modality):
        raise ValueError(f"{folder} was made from another video than {path}: {_delete(folder)}")


def check_views(recording: Recording, out: Path, tracks: SequenceFacts) -> None:
    """Raise ValueError if a view of a sequence, of whatever recipe, was made from another calibration or other annotations."""
    calibration = recording.sequence.calibration
    for folder in view_folders(out, recording.sequence.key):
        try:
            facts = view_facts(peek(folder))
        except Damaged:  # whoever wants it makes it again
            continue
        if facts.annotations != tracks.annotations:
            root = recording.tree.root
            raise ValueError(f"{folder} was made from other annotations than {root} now has: {_delete(folder)}")
        if _unchanged(recording, calibration, facts.stamps):
            continue
        if not _same(facts.calibration, recording.calibrations.get(folder.name)):
            raise ValueError(
                f"{folder} was made from another calibration than {calibration} now has: {_delete(folder)}"
            )


def _unchanged(recording: Recording, path: Path, stamps: Stamps) -> bool:
    return stamp_files(recording.tree.root, [path]).items() <= stamps.items()


def _same(one: Calibration, other: Calibration | None) -> bool:
    return (
        other is not None
        and one.size == other.size
        and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("K", "R", "t"))
    )


def _delete(folder: Path) -> str:
    return f"delete {folder}, or prepare into another folder"
