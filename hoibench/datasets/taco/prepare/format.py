"""The format of a folder of prepared clips.

OUT/prepared.json              ``PreparationSettings`` of the folder
OUT/KEY/tracks/                the true tracks of a sequence, and its ``SequenceRecord``
OUT/KEY/CROP-VIDEO/SERIAL/     one camera's view: video, masks, visibility, and its ``ViewRecord``
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hoibench.clip import Camera
from hoibench.datasets.taco.calibration import Calibration
from hoibench.datasets.taco.protocol import Recipe
from hoibench.store import sha256_json
from hoibench.store.folder_settings import check_settings, ensure_settings
from hoibench.store.records import Record
from hoibench.store.verified_folder import FolderMetadata, read_metadata
from hoibench.video import Box

CONTENT_VERSION = "hoibench/taco-clips@1"
"""Version of the contents of prepared clips; a change of the contents, not of the code, is a new version."""

VIDEO = "video.mp4"
VIEW = "view.npz"
TRACKS = "tracks.npz"

_SETTINGS = "prepared.json"
_FIX = "run hoibench data prepare again"
_OTHER_FOLDER = "prepare into another folder"

FileStats = dict[str, tuple[int, int]]
"""Path below the download's root -> (size in bytes, modification time in nanoseconds); files with equal values are assumed unchanged."""

Vector3 = tuple[float, float, float]


class PreparationSettings(Record):
    """The settings of all clips in a prepared folder.

    Attributes:
        truth: ``taco``, ``proxy-hand`` or ``synthetic``.
        hand_model: ``HandModel.identity``.
        native_size: (H, W) of the source videos.
    """

    SCHEMA: ClassVar[str] = CONTENT_VERSION

    truth: str
    hand_model: str
    native_size: tuple[int, int]


class SequenceRecord(FolderMetadata):
    """The record of a sequence in a prepared folder.

    Attributes:
        key: YYYYMMDD_NNN.
        truth, hand_model: as in ``PreparationSettings``.
        triplet: (tool, action, target).
        instances: ids of the (tool, target) objects.
        frames: number of frames of the recording.
        valid_frames: number of recorded frames of the clip; the others repeat the last one.
        source_frames: source frame of each frame of the clip.
        annotation_digests: SHA-256 of each part's annotation, by name of the part.
        file_stats: file stats of the annotations.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-tracks@2"
    FIX: ClassVar[str] = _FIX

    key: str
    truth: str
    hand_model: str
    triplet: tuple[str, str, str]
    instances: tuple[str, str]
    frames: int
    valid_frames: int
    source_frames: tuple[int, ...]
    annotation_digests: dict[str, str]
    file_stats: FileStats

    @property
    def annotations_digest(self) -> str:
        """SHA-256 of the annotations; each view records the one it was made from."""
        return sha256_json(self.model_dump(mode="json", exclude={"file_stats", "files"}))


class VideoRecord(Record):
    """Facts that identify a video without decoding it: frame count, size (H, W), frames per second, file size in bytes."""

    frames: int
    size: tuple[int, int]
    fps: float
    bytes: int


class CameraRecord(Record):
    """A static camera: image size (H, W), K (3, 3), and R (3, 3) and t (3,) from world to camera, metres."""

    size: tuple[int, int]
    K: tuple[Vector3, Vector3, Vector3]
    R: tuple[Vector3, Vector3, Vector3]
    t: Vector3

    @classmethod
    def from_camera(cls, camera: Camera | Calibration) -> CameraRecord:
        """Return the record of a camera."""
        matrices: dict[str, Any] = {name: tuple(map(tuple, getattr(camera, name).tolist())) for name in ("K", "R")}
        return cls(size=camera.size, t=tuple(camera.t.tolist()), **matrices)

    def to_camera(self) -> Camera:
        """Return the camera."""
        K, R, t = (np.array(value, dtype=np.float64) for value in (self.K, self.R, self.t))
        return Camera(K, R, t, self.size)


class ViewRecord(FolderMetadata):
    """The record of one view in a prepared folder.

    Attributes:
        serial: serial of the camera.
        recipe: name of the recipe.
        camera: the camera at the protocol's size.
        box: the crop (top, left, height, width) of the native image.
        calibration: the camera as recorded.
        video: the source video.
        annotations_digest: ``SequenceRecord.annotations_digest`` of the sequence.
        file_stats: file stats of the calibration and the source video.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-view@2"
    FIX: ClassVar[str] = _FIX

    serial: str
    recipe: str
    camera: CameraRecord
    box: Box
    calibration: CameraRecord
    video: VideoRecord
    annotations_digest: str
    file_stats: FileStats


def tracks_folder(out: Path, key: str) -> Path:
    """Return the folder of a sequence's tracks."""
    return out / key / "tracks"


def view_folder(out: Path, key: str, recipe: Recipe, serial: str) -> Path:
    """Return the folder of one view of a sequence."""
    return out / key / recipe.name / serial


def view_folders(out: Path, key: str) -> Iterator[Path]:
    """Yield the existing folders of a sequence's views, of all recipes."""
    return (folder for folder in sorted((out / key).glob("*-*/[0-9]*")) if folder.is_dir())


def is_prepared_folder(out: Path) -> bool:
    """Return True for a folder of prepared clips."""
    return (out / _SETTINGS).is_file()


def read_settings(out: Path) -> PreparationSettings:
    """Read the settings of a folder of prepared clips.

    Raises:
        FileNotFoundError: it is not a folder of prepared clips.
        ValueError: its settings are damaged or of another version.
    """
    path = out / _SETTINGS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {out} was not written by hoibench data prepare")
    try:
        return PreparationSettings.read(path)
    except ValueError as error:
        raise ValueError(f"{error}: prepare into a new folder") from error


def ensure_preparation_settings(out: Path, settings: PreparationSettings) -> None:
    """Write the settings of a new folder of prepared clips, or check those of an existing one; raises as ``ensure_settings``."""
    ensure_settings(out / _SETTINGS, settings, fix=_OTHER_FOLDER)


def check_truth(out: Path, truth: str, hand_model: str) -> None:
    """Raise ValueError if an existing folder of prepared clips has another kind of truth or another hand model."""
    if is_prepared_folder(out):
        expected = {"truth": truth, "hand_model": hand_model}
        check_settings(out / _SETTINGS, read_settings(out), expected, fix=_OTHER_FOLDER)


def read_sequence_record(out: Path, key: str) -> SequenceRecord:
    """Read the record of a prepared sequence, without its tracks.

    Raises:
        FileNotFoundError: the sequence was not prepared.
        CorruptFolder: the record is damaged; names the file.
    """
    return read_metadata(tracks_folder(out, key), SequenceRecord)


def read_view_record(out: Path, key: str, recipe: Recipe, serial: str) -> ViewRecord:
    """Read the record of a prepared view, without its video and masks; raises as ``read_sequence_record``."""
    return read_metadata(view_folder(out, key, recipe, serial), ViewRecord)


def has_tracks(out: Path, key: str) -> bool:
    """Return True if a sequence's tracks exist; reading them checks that they are intact."""
    return _has_record(tracks_folder(out, key), SequenceRecord)


def has_view(out: Path, key: str, recipe: Recipe, serial: str) -> bool:
    """Return True if a view exists; reading it checks that it is intact."""
    return _has_record(view_folder(out, key, recipe, serial), ViewRecord)


def read_file_stats(root: Path, files: Iterable[Path]) -> FileStats:
    """Return size and modification time of the existing files."""
    found = {path.relative_to(root).as_posix(): path.stat() for path in files if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in sorted(found.items())}


def _has_record(folder: Path, model: type[FolderMetadata]) -> bool:
    try:
        read_metadata(folder, model)
    except (FileNotFoundError, ValueError):
        return False
    return True
