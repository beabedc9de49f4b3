"""Predictions on disk: view-*.mp4, tracks.npz, and prediction.json, written last, which says that they are whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoibench.clip import SCALES, Array, Prediction, Scale
from hoibench.store import atomic_write, read_json, read_npz, sha256_file, write_json, write_npz
from hoibench.video import decode, encode

SCHEMA = "hoibench/prediction@1"
RECORD = "prediction.json"
ARRAYS = "tracks.npz"
SUFFIXES = (".mp4", ".mkv")
_FILE = re.compile(r"view-\d{1,4}\.(mp4|mkv)|tracks\.npz")
Codec = Literal["h264", "ffv1"]


def write_prediction(
    folder: Path, prediction: Prediction, fps: float, codec: Codec = "h264", facts: Mapping[str, Any] | None = None
) -> None:
    """Store a prediction; videos that are already encoded are copied byte for byte.

    Args:
        folder: made if missing; files of an earlier, unfinished attempt are replaced.
        prediction: what to store.
        fps: frames per second of the videos.
        codec: ``h264`` (CRF 12) or lossless ``ffv1``.
        facts: anything else for ``prediction.json``, e.g. the seconds that generating took.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    for part in (*folder.glob("view-*"), folder / ARRAYS):
        part.unlink(missing_ok=True)
    paths = _write_videos(folder, prediction, fps, codec)
    arrays = {name: getattr(prediction, name) for name in ("tracks", "anchors", "valid", "points", "masks")}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    if arrays:
        paths.append(folder / ARRAYS)
        write_npz(paths[-1], arrays)
    record = {
        "schema": SCHEMA,
        "scale": prediction.scale,
        "crop": prediction.crop,
        "provenance": dict(prediction.provenance),
        "files": {path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in paths},
        **(facts or {}),
    }
    write_json(folder / RECORD, record)


def _write_videos(folder: Path, prediction: Prediction, fps: float, codec: Codec) -> list[Path]:
    if prediction.video is None:
        return []
    suffix = ".mkv" if codec == "ffv1" else ".mp4"
    paths = []
    for index, view in enumerate(prediction.video):
        if isinstance(view, Path):
            if view.suffix not in SUFFIXES:
                raise ValueError(
                    f"{view} is a {view.suffix or 'nameless'} file: videos are kept as {' or '.join(SUFFIXES)}"
                )
            path = folder / f"view-{index}{view.suffix}"
            with atomic_write(path) as temporary:
                shutil.copyfile(view, temporary)
        else:
            path = folder / f"view-{index}{suffix}"
            encode(path, view, fps, codec=codec)
        paths.append(path)
    return paths


def is_whole(folder: Path) -> bool:
    """Whether prediction.json is there and every file it names has the size it says; hashes are ``verify``'s."""
    try:
        files = read_record(folder)["files"]
        return all((folder / name).stat().st_size == facts["bytes"] for name, facts in files.items())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_record(folder: Path) -> dict[str, Any]:
    """The contents of prediction.json.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is not JSON of this schema.
    """
    path = folder / RECORD
    record = read_json(path, SCHEMA)
    files, crop = record.get("files"), record.get("crop")
    if not isinstance(files, dict) or not all(_FILE.fullmatch(name) for name in files):
        raise ValueError(
            f"{path}: files is {files!r:.200}, expected an object of view-0.mp4, view-1.mp4, ..., {ARRAYS}"
        )
    if crop is not None and not (isinstance(crop, list) and len(crop) == 4):
        raise ValueError(f"{path}: crop is {crop!r:.80}, expected [top, left, height, width]")
    if not isinstance(record.get("provenance", {}), dict):
        raise ValueError(f"{path}: provenance is {record['provenance']!r:.80}, expected an object")
    if record.get("scale") not in SCALES:
        raise ValueError(f"{path}: scale is {record.get('scale')!r}, expected one of {', '.join(SCALES)}")
    return record


def read_prediction(folder: Path, scale: Scale = "metric") -> Prediction:
    """A stored prediction with its videos as paths; see ``decoded``.

    prediction.json may be missing in a folder made by hand: what lies there is then taken as it is, in the given ``scale``.

    Raises:
        FileNotFoundError: there is no prediction in the folder.
        ValueError: a file is broken or arrays do not fit; names the file.
    """
    record = read_record(folder) if (folder / RECORD).is_file() else {}
    named = record.get("files") or {}
    found = [folder / name for name in named] or [*folder.glob("view-*"), folder / ARRAYS]
    for path in found:
        if path.is_symlink() and path.resolve().parent != folder.resolve():
            raise ValueError(f"{path} is a link to another folder: copy the file")
    videos = sorted((path for path in found if path.suffix in SUFFIXES), key=_view_number)
    arrays = read_npz(folder / ARRAYS) if folder / ARRAYS in found and (folder / ARRAYS).is_file() else {}
    if not videos and not arrays:
        raise FileNotFoundError(f"{folder}: no prediction here; it holds view-0.mp4, view-1.mp4, ... and {ARRAYS}")
    if [path.stem for path in videos] != [f"view-{i}" for i in range(len(videos))]:
        names = ", ".join(path.name for path in videos)
        raise ValueError(f"{folder} holds {names}: number the views view-0, view-1, ... without a gap")
    unknown = set(arrays) - {"tracks", "anchors", "valid", "points", "masks"}
    if unknown:
        raise ValueError(f"{folder / ARRAYS}: unknown array {sorted(unknown)[0]!r}")
    try:
        return Prediction(
            video=tuple(videos) or None,
            scale=record.get("scale", scale),
            crop=tuple(record["crop"]) if record.get("crop") else None,
            provenance=record.get("provenance", {}),
            **arrays,
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"{folder / ARRAYS}: {error}") from error


def _view_number(path: Path) -> int:
    number = path.stem.removeprefix("view-")
    return int(number) if number.isdigit() else -1


def decoded(prediction: Prediction) -> Prediction:
    """The same prediction with its video as (V, N, H, W, 3) uint8 frames.

    Raises:
        VideoError: a file cannot be read, or the views differ in length or size.
    """
    if not isinstance(prediction.video, tuple):
        return prediction
    frames: list[Array] = [decode(path) for path in prediction.video]
    shapes = {path: view.shape for path, view in zip(prediction.video, frames, strict=True)}
    if len(set(shapes.values())) > 1:
        listed = "; ".join(f"{path.name}: {s[0]} frames of {s[1]}x{s[2]}" for path, s in shapes.items())
        raise ValueError(f"{prediction.video[0].parent}: views differ in length or size ({listed})")
    return replace(prediction, video=np.stack(frames))
