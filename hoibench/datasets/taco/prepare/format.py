"""The format of a folder of prepared clips.

OUT/prepared.json              ``PreparationSettings`` of the folder
OUT/KEY/tracks/                the true tracks of a sequence, and its ``SequenceRecord``
OUT/KEY/CROP-VIDEO/SERIAL/     one camera's view: video, masks, visibility, and its ``ViewRecord``
OUT/KEY/objects/, OUT/objects/ poses and meshes of tools and targets, see ``hoibench.datasets.taco.prepare.objects``
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
    """The settings of all clips in a folder of prepared clips; the file prepared.json.

    Attributes:
        truth: the kind of truth: ``taco``, ``proxy-hand`` or ``synthetic``.
        hand_model: name of the hand model, with a digest of MANO's values; ``HandModel.identity``.
        native_size: (H, W) of the downloaded videos.
    """

    SCHEMA: ClassVar[str] = CONTENT_VERSION

    truth: str
    hand_model: str
    native_size: tuple[int, int]


class SequenceRecord(FolderMetadata):
    """The metadata of one sequence in a folder of prepared clips, stored with its tracks.

    Attributes:
        key: YYYYMMDD_NNN.
        truth, hand_model: as in ``PreparationSettings``.
        triplet: (tool, action, target).
        instances: ids of the (tool, target) objects.
        frames: number of frames of the recording.
        valid_frames: number of recorded frames of the clip; the others repeat the last one.
        source_frames: source frame of each frame of the clip.
        annotation_digests: part (a name in ``PARTS``) -> SHA-256 of its poses and shape.
        file_stats: size and modification time of each annotation file.
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
    def content_digest(self) -> str:
        """SHA-256 of this record without ``files`` and ``file_stats``; each view records that of the sequence it was prepared from."""
        return sha256_json(self.model_dump(mode="json", exclude={"file_stats", "files"}))


class VideoRecord(Record):
    """Facts that identify a video without decoding it: frame count, size (H, W), frames per second, file size in bytes."""

    frames: int
    size: tuple[int, int]
    fps: float
    bytes: int


class CameraRecord(Record):
    """The JSON values of a static camera: image size (H, W), K (3, 3) in pixels, and R (3, 3) and t (3,) from world to camera, metres."""

    size: tuple[int, int]
    K: tuple[Vector3, Vector3, Vector3]
    R: tuple[Vector3, Vector3, Vector3]
    t: Vector3

    @classmethod
    def from_camera(cls, camera: Camera | Calibration) -> CameraRecord:
        """Return the record of a camera, or of a camera in calibration.json."""
        matrices: dict[str, Any] = {name: tuple(map(tuple, getattr(camera, name).tolist())) for name in ("K", "R")}
        return cls(size=camera.size, t=tuple(camera.t.tolist()), **matrices)

    def to_camera(self) -> Camera:
        """Return the recorded camera as a ``Camera`` with float64 arrays."""
        K, R, t = (np.array(value, dtype=np.float64) for value in (self.K, self.R, self.t))
        return Camera(K, R, t, self.size)


class ViewRecord(FolderMetadata):
    """The metadata of one camera's view in a folder of prepared clips, stored with its video and masks.

    Attributes:
        serial: serial of the camera.
        recipe: name of the recipe (crop and kind of video), e.g. ``frame0-raw``.
        camera: the camera of the cropped and resized video.
        box: the crop (top, left, height, width) in pixels of the downloaded video.
        calibration: the camera as in calibration.json.
        video: facts about the downloaded video.
        sequence_digest: ``SequenceRecord.content_digest`` of the sequence it was prepared from.
        file_stats: size and modification time of calibration.json and of the downloaded video.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-view@4"
    FIX: ClassVar[str] = _FIX

    serial: str
    recipe: str
    camera: CameraRecord
    box: Box
    calibration: CameraRecord
    video: VideoRecord
    sequence_digest: str
    file_stats: FileStats


def tracks_folder(out: Path, key: str) -> Path:
    """Return the path of the folder of a sequence's tracks in ``out``, a folder of prepared clips."""
    return out / key / "tracks"


def view_folder(out: Path, key: str, recipe: Recipe, serial: str) -> Path:
    """Return the path of the folder of one camera's view of a sequence in ``out``, a folder of prepared clips."""
    return out / key / recipe.name / serial


def view_folders(out: Path, key: str) -> Iterator[Path]:
    """Yield the existing folders of a sequence's views in ``out``, a folder of prepared clips, of all recipes."""
    return (folder for folder in sorted((out / key).glob("*-*/[0-9]*")) if folder.is_dir())


def is_prepared_folder(out: Path) -> bool:
    """Return True if ``out`` is a folder of prepared clips, i.e. has a file prepared.json."""
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
    """Write the settings of a new folder of prepared clips, or check those of an existing one; raises the errors of ``ensure_settings``."""
    ensure_settings(out / _SETTINGS, settings, fix=_OTHER_FOLDER)


def check_truth(out: Path, truth: str, hand_model: str) -> None:
    """Raise ValueError if ``out`` is a folder of prepared clips with another kind of truth or another hand model than these."""
    if is_prepared_folder(out):
        expected = {"truth": truth, "hand_model": hand_model}
        check_settings(out / _SETTINGS, read_settings(out), expected, fix=_OTHER_FOLDER)


def read_sequence_record(out: Path, key: str) -> SequenceRecord:
    """Read the record (metadata) of a prepared sequence, without its tracks.

    Raises:
        FileNotFoundError: the sequence was not prepared.
        CorruptFolder: the record is damaged; names the file.
    """
    return read_metadata(tracks_folder(out, key), SequenceRecord)


def has_tracks(out: Path, key: str) -> bool:
    """Return True if a sequence's tracks were prepared in ``out``; only reading them checks that they are intact."""
    return _has_record(tracks_folder(out, key), SequenceRecord)


def has_view(out: Path, key: str, recipe: Recipe, serial: str) -> bool:
    """Return True if a camera's view of a sequence was prepared in ``out``; only reading it checks that it is intact."""
    return _has_record(view_folder(out, key, recipe, serial), ViewRecord)


def read_file_stats(root: Path, files: Iterable[Path]) -> FileStats:
    """Return, for the existing ones of ``files``, path below ``root`` -> (size in bytes, modification time in nanoseconds)."""
    found = {path.relative_to(root).as_posix(): path.stat() for path in files if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in sorted(found.items())}


def _has_record(folder: Path, model: type[FolderMetadata]) -> bool:
    try:
        read_metadata(folder, model)
    except (FileNotFoundError, ValueError):
        return False
    return True
