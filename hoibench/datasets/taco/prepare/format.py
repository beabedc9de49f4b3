"""The folder of prepared clips: what lies where in it, and what each of its parts says of itself.

OUT/prepared.json              ``PreparationSettings``: what all of it was made with
OUT/KEY/tracks/                the true tracks of a sequence, with its ``SequenceRecord``
OUT/KEY/CROP-VIDEO/SERIAL/     one camera's view of it, video and masks, with its ``ViewRecord``
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
from hoibench.store.records import Record
from hoibench.store.settings import check_settings, ensure_settings
from hoibench.store.verified_folder import FolderMetadata, read_metadata
from hoibench.video import Box

CONTENT = "hoibench/taco-clips@1"
"""Names what preparation means: what is made in another way is another version, whatever becomes of the code."""

VIDEO = "video.mp4"
VIEW = "view.npz"
TRACKS = "tracks.npz"

_SETTINGS = "prepared.json"
_FIX = "run hoibench data prepare, which makes it again"
_OTHER_FOLDER = "prepare into another folder"

Stamps = dict[str, tuple[int, int]]
"""Path under the download's root -> size in bytes and time of change in nanoseconds; files of equal stamps are taken to be the same."""

Vector3 = tuple[float, float, float]


class PreparationSettings(Record):
    """The settings that all clips of a prepared folder are made with.

    Attributes:
        truth: ``taco``, ``proxy-hand`` or ``synthetic``.
        hand_model: ``HandModel.identity``.
        native_size: (H, W) of the download's videos.
    """

    SCHEMA: ClassVar[str] = CONTENT

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
        frames: N of the recording.
        valid_frames: frames of the clip that the recording reaches; the others repeat its last frame.
        indices: the source frame of each frame of the clip.
        sources: SHA-256 of the annotations' values, by the names of parts.
        stamps: of the annotations' files.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-tracks@1"
    FIX: ClassVar[str] = _FIX

    key: str
    truth: str
    hand_model: str
    triplet: tuple[str, str, str]
    instances: tuple[str, str]
    frames: int
    valid_frames: int
    indices: tuple[int, ...]
    sources: dict[str, str]
    stamps: Stamps

    @property
    def annotations(self) -> str:
        """A SHA-256 of what was annotated: views keep that of the annotations that they were made of."""
        return sha256_json(self.model_dump(mode="json", exclude={"stamps", "files"}))


class VideoRecord(Record):
    """Facts that tell one video from another without decoding it: frames, size (H, W), frames per second, bytes of the file."""

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
    def of(cls, camera: Camera | Calibration) -> CameraRecord:
        """The record of a camera."""
        matrices: dict[str, Any] = {name: tuple(map(tuple, getattr(camera, name).tolist())) for name in ("K", "R")}
        return cls(size=camera.size, t=tuple(camera.t.tolist()), **matrices)

    def camera(self) -> Camera:
        """The camera of the record."""
        K, R, t = (np.array(value, dtype=np.float64) for value in (self.K, self.R, self.t))
        return Camera(K, R, t, self.size)


class ViewRecord(FolderMetadata):
    """The record of one view in a prepared folder.

    Attributes:
        serial: of the camera.
        recipe: name of the recipe that it is made by.
        camera: at the protocol's size.
        box: the (top, left, height, width) of the native image that it shows.
        calibration: the camera as recorded.
        video: the video as recorded.
        annotations: of the sequence's ``SequenceRecord``.
        stamps: of the calibration's and the video's file.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-view@1"
    FIX: ClassVar[str] = _FIX

    serial: str
    recipe: str
    camera: CameraRecord
    box: Box
    calibration: CameraRecord
    video: VideoRecord
    annotations: str
    stamps: Stamps


def tracks_folder(out: Path, key: str) -> Path:
    """The folder of a sequence's tracks."""
    return out / key / "tracks"


def view_folder(out: Path, key: str, recipe: Recipe, serial: str) -> Path:
    """The folder of one view of a sequence."""
    return out / key / recipe.name / serial


def view_folders(out: Path, key: str) -> Iterator[Path]:
    """The folders of a sequence's views that are there, of all recipes."""
    return (folder for folder in sorted((out / key).glob("*-*/[0-9]*")) if folder.is_dir())


def is_prepared_folder(out: Path) -> bool:
    """Whether a folder is one of prepared clips."""
    return (out / _SETTINGS).is_file()


def read_settings(out: Path) -> PreparationSettings:
    """The settings of a folder of prepared clips.

    Raises:
        FileNotFoundError: it is no such folder.
        ValueError: its record is of another version, or damaged.
    """
    path = out / _SETTINGS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {out} is no folder that hoibench data prepare wrote")
    try:
        return PreparationSettings.read(path)
    except ValueError as error:
        raise ValueError(f"{error}: prepare into a new folder") from error


def hold_to_settings(out: Path, settings: PreparationSettings) -> None:
    """Write the settings of a new folder of prepared clips, or raise ValueError if it has others; raises as ``ensure_settings``."""
    ensure_settings(out / _SETTINGS, settings, fix=_OTHER_FOLDER)


def refuse_other_truth(out: Path, truth: str, hand_model: str) -> None:
    """Raise ValueError if a folder holds clips of another truth or hand model."""
    if is_prepared_folder(out):
        wanted = {"truth": truth, "hand_model": hand_model}
        check_settings(out / _SETTINGS, read_settings(out), wanted, fix=_OTHER_FOLDER)


def read_sequence_record(out: Path, key: str) -> SequenceRecord:
    """The record of a prepared sequence; its tracks are not looked at.

    Raises:
        FileNotFoundError: it was not prepared.
        CorruptFolder: the record is damaged; names the file.
    """
    return read_metadata(tracks_folder(out, key), SequenceRecord)


def read_view_record(out: Path, key: str, recipe: Recipe, serial: str) -> ViewRecord:
    """The record of a prepared view; its video and masks are not looked at.  Errors as ``read_sequence_record``."""
    return read_metadata(view_folder(out, key, recipe, serial), ViewRecord)


def has_tracks(out: Path, key: str) -> bool:
    """Whether a sequence's tracks are there: whether they are intact is found on reading them."""
    return _has_record(tracks_folder(out, key), SequenceRecord)


def has_view(out: Path, key: str, recipe: Recipe, serial: str) -> bool:
    """Whether a view is there: whether it is intact is found on reading it."""
    return _has_record(view_folder(out, key, recipe, serial), ViewRecord)


def stamp_files(root: Path, files: Iterable[Path]) -> Stamps:
    """The stamps of those files that are there."""
    found = {path.relative_to(root).as_posix(): path.stat() for path in files if path.is_file()}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in sorted(found.items())}


def _has_record(folder: Path, model: type[FolderMetadata]) -> bool:
    try:
        read_metadata(folder, model)
    except (FileNotFoundError, ValueError):
        return False
    return True
