"""Predictions on disk: view-*.mp4, tracks.npz, and prediction.json, which is written last and lists the other files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field, StringConstraints

from hoibench.clip import Array, Prediction, Scale
from hoibench.problems import Problem
from hoibench.store import atomic_write, read_npz, remove_temporary_files, sha256_file, sha256_json, write_npz
from hoibench.store.json_file import MAX_BYTES
from hoibench.store.records import Record
from hoibench.video import Codec, decode, encode

PREDICTION_FILE = "prediction.json"
TRACKS_FILE = "tracks.npz"
SUFFIXES = (".mp4", ".mkv")
_ARRAY_NAMES = ("tracks", "anchors", "valid", "points", "masks")


class FileChecksum(Record):
    """The size and SHA-256 of a file of a prediction."""

    bytes: int
    sha256: str


FileName = Annotated[str, StringConstraints(pattern=re.compile(r"^(view-\d{1,4}\.(mp4|mkv)|tracks\.npz)$"))]


class PredictionRecord(Record):
    """The contents of prediction.json.

    Attributes:
        scale, crop, provenance: as in ``Prediction``.
        files: the prediction's other files.
        unit: the unit of the run that generated it.
        seconds: time that generating took.
        device, precision, batch: the runtime that generated it.
        request: the arguments of a command that generated it without a run.
    """

    SCHEMA: ClassVar[str] = "hoibench/prediction@2"

    scale: Scale
    crop: tuple[int, int, int, int] | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)
    files: dict[FileName, FileChecksum] = Field(default_factory=dict)
    unit: str | None = None
    seconds: float | None = None
    device: str | None = None
    precision: str | None = None
    batch: int | None = None
    request: dict[str, Any] | None = None


def write_prediction(folder: Path, prediction: Prediction, fps: float, codec: Codec = "h264", **facts: Any) -> None:
    """Write a prediction to a folder; videos that are already encoded are copied byte for byte.

    Args:
        folder: created if missing; files of an interrupted call are replaced.
        prediction: the prediction.
        fps: frames per second of the videos.
        codec: ``h264`` (CRF 12) or lossless ``ffv1``.
        facts: other fields of ``PredictionRecord``, e.g. ``seconds``.

    Raises:
        OSError: the disk is full or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> tracks, anchors = np.zeros((2, 6, 20, 3), np.float32), np.zeros((2, 20, 2), np.float32)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_prediction(Path(folder), Prediction(tracks=tracks, anchors=anchors), fps=8.0)
        ...     read_prediction(Path(folder)).tracks.shape  # (V, N, K', 3)
        (2, 6, 20, 3)
    """
    folder.mkdir(parents=True, exist_ok=True)
    remove_temporary_files(folder)
    (folder / PREDICTION_FILE).unlink(missing_ok=True)
    for part in (*folder.glob("view-*"), folder / TRACKS_FILE):
        part.unlink(missing_ok=True)
    paths = _write_videos(folder, prediction, fps, codec)
    arrays = {name: array for name in _ARRAY_NAMES if (array := getattr(prediction, name)) is not None}
    if arrays:
        paths.append(folder / TRACKS_FILE)
        write_npz(paths[-1], arrays)
    PredictionRecord(
        scale=prediction.scale,
        crop=prediction.crop,
        provenance=dict(prediction.provenance),
        files={path.name: FileChecksum(bytes=path.stat().st_size, sha256=sha256_file(path)) for path in paths},
        **facts,
    ).write(folder / PREDICTION_FILE)


def _write_videos(folder: Path, prediction: Prediction, fps: float, codec: Codec) -> list[Path]:
    if prediction.video is None:
        return []
    suffix = ".mkv" if codec == "ffv1" else ".mp4"
    paths = []
    for index, view in enumerate(prediction.video):
        if isinstance(view, Path):
            if view.suffix not in SUFFIXES:
                raise ValueError(f"{view} is not an {' or '.join(SUFFIXES)} file: convert the video")
            path = folder / f"view-{index}{view.suffix}"
            with atomic_write(path) as temporary:
                shutil.copyfile(view, temporary)
        else:
            path = folder / f"view-{index}{suffix}"
            encode(path, view, fps, codec=codec)
        paths.append(path)
    return paths


def is_complete(folder: Path) -> bool:
    """Return True if prediction.json exists and every file in it has the listed size; hashes are not checked.

    It says the same as ``find_damaged_files``, in a third of the time: a resumed run calls it for every unit.
    """
    path = os.fspath(folder)
    try:
        table = json.loads(_read_file(f"{path}/{PREDICTION_FILE}"))
        if table.pop("schema") != PredictionRecord.SCHEMA:
            return False
        files = PredictionRecord.model_validate(table, strict=False).files
        found = {name: os.stat(f"{path}/{name}") for name in files}  # noqa: PTH116  (a Path takes as long as the call)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False
    return all(stat.S_ISREG(found[name].st_mode) and found[name].st_size == files[name].bytes for name in files)


def _read_file(path: str) -> bytes:
    """Return the contents of a regular file; raises the errors of ``read_bounded``, which takes longer."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
            raise ValueError(f"{path} is no regular file, or too large")
        return os.read(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def find_damaged_files(folder: Path) -> list[Problem]:
    """Return a problem for each file that is missing or does not have the size in prediction.json.

    Raises:
        FileNotFoundError, ValueError: as ``read_prediction_record``.
    """
    return [
        problem
        for name, facts in read_prediction_record(folder).files.items()
        if (problem := _find_damage(folder / name, facts.bytes)) is not None
    ]


def _find_damage(path: Path, size: int) -> Problem | None:
    fix = f"write the prediction again, or leave out {PREDICTION_FILE} where it is handed in"
    if not path.is_file():
        return Problem(str(path), "", f"is missing, but {PREDICTION_FILE} lists it", "", fix)
    if (found := path.stat().st_size) != size:
        return Problem(str(path), "", f"has {found} bytes", f"{size}, its size in {PREDICTION_FILE}", fix)
    return None


def read_prediction_record(folder: Path) -> PredictionRecord:
    """Read prediction.json.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is not JSON of this schema; the message names the file, the key and the value.
    """
    return PredictionRecord.read(folder / PREDICTION_FILE)


def read_prediction(folder: Path, scale: Scale = "metric") -> Prediction:
    """Read a prediction with its videos as paths; ``decode_prediction`` reads their frames.

    Args:
        folder: the prediction's folder.  Without prediction.json, as in a folder made by hand, all its view-* files and tracks.npz are read.
        scale: the scale for a folder without prediction.json.

    Raises:
        FileNotFoundError: the folder has no prediction.
        ValueError: a file is damaged or arrays do not fit together; the message names the file.
    """
    record = read_prediction_record(folder) if (folder / PREDICTION_FILE).is_file() else PredictionRecord(scale=scale)
    found = [folder / name for name in record.files] or [*folder.glob("view-*"), folder / TRACKS_FILE]
    for path in found:
        if path.is_symlink() and path.resolve().parent != folder.resolve():
            raise ValueError(f"{path} is a link to another folder: copy the file")
    videos = sorted((path for path in found if path.suffix in SUFFIXES), key=_view_number)
    arrays = (
        read_npz(folder / TRACKS_FILE) if folder / TRACKS_FILE in found and (folder / TRACKS_FILE).is_file() else {}
    )
    if not videos and not arrays:
        raise FileNotFoundError(
            f"{folder}: no prediction found; expected view-0.mp4, view-1.mp4, ... and {TRACKS_FILE}"
        )
    if [path.stem for path in videos] != [f"view-{i}" for i in range(len(videos))]:
        names = ", ".join(path.name for path in videos)
        raise ValueError(f"{folder} has {names}: number the views view-0, view-1, ... without a gap")
    unknown = set(arrays) - set(_ARRAY_NAMES)
    if unknown:
        raise ValueError(f"{folder / TRACKS_FILE}: unknown array {sorted(unknown)[0]!r}")
    try:
        return Prediction(
            video=tuple(videos) or None,
            scale=record.scale,
            crop=record.crop,
            provenance=record.provenance,
            **arrays,
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{folder / TRACKS_FILE}: {error}") from error


def _view_number(path: Path) -> int:
    number = path.stem.removeprefix("view-")
    return int(number) if number.isdigit() else -1


def decode_prediction(prediction: Prediction) -> Prediction:
    """Return the prediction with its video, if any, decoded to (V, N, H, W, 3) uint8 frames.

    Raises:
        VideoError: a file cannot be read.
        ValueError: the views differ in length or size.
    """
    if not isinstance(prediction.video, tuple):
        return prediction
    frames: list[Array] = [decode(path) for path in prediction.video]
    shapes = {path: view.shape for path, view in zip(prediction.video, frames, strict=True)}
    if len(set(shapes.values())) > 1:
        listed = "; ".join(f"{path.name}: {s[0]} frames of {s[1]}x{s[2]}" for path, s in shapes.items())
        raise ValueError(f"{prediction.video[0].parent}: views differ in length or size ({listed})")
    return replace(prediction, video=np.stack(frames))


def trim_prediction(prediction: Prediction, n: int) -> Prediction:
    """Return the first ``n`` frames of a prediction; its video, if any, must be decoded."""
    assert not isinstance(prediction.video, tuple)
    return replace(
        prediction,
        video=_trim(prediction.video, n),
        tracks=_trim(prediction.tracks, n),
        valid=_trim(prediction.valid, n),
        points=_trim(prediction.points, n),
        masks=_trim(prediction.masks, n),
    )


def _trim(array: Array | None, n: int) -> Array | None:
    return None if array is None else array[:, :n]


def output_digests(prediction: Prediction) -> dict[str, str]:
    """Return digests (16 hex digits) of a decoded prediction's video with its masks (``video``) and of its points (``tracks``), for those it has.

    Only the decoded values count, not the files: encoding the same frames again, or storing the same points otherwise, gives the same digest.
    """
    groups = {
        "video": (prediction.video, prediction.masks),
        "tracks": (prediction.tracks, prediction.anchors, prediction.valid, prediction.points),
    }
    digests = {}
    for name, arrays in groups.items():
        present = [np.ascontiguousarray(array) for array in arrays if array is not None]
        if present and (name != "video" or prediction.video is not None):
            digest = hashlib.sha256()
            for array in present:
                digest.update(array.data)
            digests[name] = digest.hexdigest()[:16]
    return digests


def stored_digest(folder: Path) -> str:
    """Return the SHA-256 (64 hex digits) of a stored prediction: of its scale and of the contents of its files, which are read now.

    Raises:
        FileNotFoundError: the folder has no prediction.json.
        ValueError: a file is missing, is a link or differs from the size or SHA-256 in prediction.json; the message names it.
    """
    record = read_prediction_record(folder)
    for name, checksum in record.files.items():
        path = folder / name
        if path.is_symlink() or not path.is_file() or sha256_file(path) != checksum.sha256:
            raise ValueError(
                f"{path} is missing, is a link or differs from its SHA-256 in {PREDICTION_FILE}: write the prediction again"
            )
    return sha256_json([record.scale, {name: checksum.sha256 for name, checksum in record.files.items()}])


def find_seeds(folder: Path) -> list[int]:
    """Return the seeds of a folder with predictions in ``seed-S/CLIP``, one per seed; none if they are in ``CLIP``, one for all seeds."""
    names = [path.name.removeprefix("seed-") for path in folder.glob("seed-*") if path.is_dir()]
    return sorted(int(name) for name in names if name.isdecimal())


def has_seed_folders(folder: Path) -> bool:
    """Return True if the predictions are in ``seed-S/CLIP``, one per seed; False if they are in ``CLIP``, one for all seeds."""
    return any(path.is_dir() for path in folder.glob("seed-*"))


def prediction_folder(folder: Path, clip: str, seed: int) -> Path:
    """Return the path of a clip's prediction in a folder of predictions; it need not exist."""
    return folder / f"seed-{seed}" / clip if has_seed_folders(folder) else folder / clip


def find_prediction(folder: Path, clip: str, seed: int) -> Path:
    """Find a clip's prediction in a folder of predictions.

    Raises:
        FileNotFoundError: there is none; the message names the expected folder.
    """
    found = prediction_folder(folder, clip, seed)
    if not found.is_dir():
        raise FileNotFoundError(f"no prediction for clip {clip}: expected {found}")
    return found
