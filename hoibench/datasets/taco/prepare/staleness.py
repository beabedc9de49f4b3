"""Whether prepared views are of the download as it is now: cheaply by their files' stamps, and by values where these differ."""

from __future__ import annotations

from pathlib import Path

from hoibench.datasets.taco.prepare.format import (
    CameraRecord,
    SequenceRecord,
    Stamps,
    VideoRecord,
    ViewRecord,
    stamp_files,
    view_folders,
)
from hoibench.datasets.taco.recording import Recording, check_rate
from hoibench.store.verified_folder import CorruptFolder, read_metadata


def read_video_record(recording: Recording, serial: str, modality: str) -> VideoRecord:
    """The record of a camera's video.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is broken, of another rate than TACO's, or does not fit the annotation or the calibration.
    """
    info = recording.video_info(serial, modality)
    path = recording.sequence.video(serial, modality)
    check_rate(path, info.fps, f"{modality}/{serial}")
    return VideoRecord(frames=info.frames, size=(info.height, info.width), fps=info.fps, bytes=path.stat().st_size)


def check_video(recording: Recording, folder: Path, record: ViewRecord, modality: str) -> None:
    """Raise ValueError if a view was made from another video than the download has; one that is gone compares with nothing."""
    serial = folder.name
    path = recording.sequence.videos(modality).get(serial)
    if path is None or _unchanged(recording, path, record.stamps):
        return
    if record.video != read_video_record(recording, serial, modality):
        raise ValueError(f"{folder} was made from another video than {path}: {_delete(folder)}")


def check_views(recording: Recording, out: Path, tracks: SequenceRecord) -> None:
    """Raise ValueError if a view of a sequence, of whatever recipe, was made from another calibration or other annotations."""
    calibration = recording.sequence.calibration
    for folder in view_folders(out, recording.sequence.key):
        try:
            record = read_metadata(folder, ViewRecord)
        except CorruptFolder:  # whoever wants it makes it again
            continue
        if record.annotations != tracks.annotations:
            root = recording.tree.root
            raise ValueError(f"{folder} was made from other annotations than {root} now has: {_delete(folder)}")
        if _unchanged(recording, calibration, record.stamps):
            continue
        now = recording.calibrations.get(folder.name)
        if now is None or record.calibration != CameraRecord.of(now):
            raise ValueError(
                f"{folder} was made from another calibration than {calibration} now has: {_delete(folder)}"
            )


def _unchanged(recording: Recording, path: Path, stamps: Stamps) -> bool:
    return stamp_files(recording.tree.root, [path]).items() <= stamps.items()


def _delete(folder: Path) -> str:
    return f"delete {folder}, or prepare into another folder"
