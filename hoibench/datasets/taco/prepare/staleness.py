"""Checks that prepared views match the current download: first by file size and time, and if these differ, by values."""

from __future__ import annotations

from pathlib import Path

from hoibench.datasets.taco.prepare.format import (
    CameraRecord,
    FileStats,
    SequenceRecord,
    VideoRecord,
    ViewRecord,
    read_file_stats,
    view_folders,
)
from hoibench.datasets.taco.recording import Recording, check_rate
from hoibench.store.verified_folder import CorruptFolder, read_metadata
from hoibench.video import read_video_header


def read_video_record(recording: Recording, serial: str, modality: str) -> VideoRecord:
    """Return the facts about a camera's downloaded video that identify it; ``modality`` is the folder of its kind of video.

    Raises:
        FileNotFoundError: the video is missing.
        ValueError: the video is damaged, has another frame rate than TACO's, or does not match the annotation or the calibration.
    """
    info = recording.video_info(serial, modality)
    path = recording.sequence.video(serial, modality)
    check_rate(path, read_video_header(path), f"{modality}/{serial}")
    return VideoRecord(frames=info.frames, size=(info.height, info.width), fps=info.fps, bytes=path.stat().st_size)


def check_video(recording: Recording, folder: Path, record: ViewRecord, modality: str) -> None:
    """Raise ValueError if the view in ``folder`` was prepared from another video than the recording's; a missing video is not an error."""
    serial = folder.name
    path = recording.sequence.videos(modality).get(serial)
    if path is None or _is_unchanged(recording, path, record.file_stats):
        return
    if record.video != read_video_record(recording, serial, modality):
        raise ValueError(f"{folder} was prepared from another video than {path}: {_fix(folder)}")


def check_views(recording: Recording, out: Path, tracks: SequenceRecord) -> None:
    """Raise ValueError if a view of the sequence in ``out``, of any recipe, was prepared from another calibration or other annotations than now."""
    calibration = recording.sequence.calibration
    for folder in view_folders(out, recording.sequence.key):
        try:
            record = read_metadata(folder, ViewRecord)
        except CorruptFolder:  # replaced when it is prepared again
            continue
        if record.sequence_digest != tracks.content_digest:
            root = recording.download.root
            raise ValueError(f"{folder} was prepared from other annotations than those in {root}: {_fix(folder)}")
        if _is_unchanged(recording, calibration, record.file_stats):
            continue
        current = recording.calibrations.get(folder.name)
        if current is None or record.calibration != CameraRecord.from_camera(current):
            raise ValueError(f"{folder} was prepared from another calibration than {calibration}: {_fix(folder)}")


def _is_unchanged(recording: Recording, path: Path, file_stats: FileStats) -> bool:
    return read_file_stats(recording.download.root, [path]).items() <= file_stats.items()


def _fix(folder: Path) -> str:
    return f"delete {folder}, or prepare into another folder"
