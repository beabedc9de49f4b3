"""What a folder of prepared clips says of a sequence and of its views: what was made, and of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoibench.clip import Camera
from hoibench.datasets.taco.calibration import Calibration
from hoibench.datasets.taco.prepare.prepared_folder import tracks_folder, view_folder
from hoibench.datasets.taco.prepare.sealed import peek
from hoibench.datasets.taco.prepare.stamps import Stamps
from hoibench.datasets.taco.protocol import Recipe
from hoibench.store import sha256_json
from hoibench.video import Box


@dataclass(frozen=True)
class SequenceFacts:
    """What a prepared folder says of a sequence.

    Attributes:
        key: YYYYMMDD_NNN.
        truth, hand_model: as ``Origin`` has them.
        triplet: (tool, action, target).
        instances: ids of the (tool, target) objects.
        frames: N of the recording.
        valid_frames: frames of the clip that the recording reaches; the others repeat its last frame.
        indices: the source frame of each frame of the clip.
        sources: SHA-256 of the annotations' values, by their names.
        stamps: of the annotations' files.
    """

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
        """A SHA-256 of all this but the stamps: what views note of the annotations that they were made of."""
        return sha256_json({name: value for name, value in asdict(self).items() if name != "stamps"})


@dataclass(frozen=True)
class VideoFacts:
    """What tells one video from another without decoding it: frames, size (H, W), frames per second, bytes of the file."""

    frames: int
    size: tuple[int, int]
    fps: float
    bytes: int


@dataclass(frozen=True, eq=False)
class ViewFacts:
    """What a prepared folder says of one view.

    Attributes:
        serial: of the camera.
        recipe: name of the recipe that it is made by.
        camera: at the protocol's size.
        box: of the native image that it shows.
        calibration: the camera as recorded.
        video: the video as recorded.
        annotations: of the sequence's ``SequenceFacts``.
        stamps: of the calibration's and the video's file.
    """

    serial: str
    recipe: str
    camera: Camera
    box: Box
    calibration: Calibration
    video: VideoFacts
    annotations: str
    stamps: Stamps

    def to_json(self) -> dict[str, Any]:
        """As the view's folder keeps it."""
        return {
            "serial": self.serial,
            "recipe": self.recipe,
            "camera": _camera_to_json(self.camera),
            "box": list(self.box),
            "calibration": _camera_to_json(self.calibration),
            "video": asdict(self.video),
            "annotations": self.annotations,
            "stamps": self.stamps,
        }


def sequence_facts(table: Mapping[str, Any]) -> SequenceFacts:
    """What the facts of a sequence's tracks say."""
    triplet, instances, indices = (tuple(table[name]) for name in ("triplet", "instances", "indices"))
    counts = table["frames"], table["valid_frames"]
    names = table["key"], table["truth"], table["hand_model"]
    return SequenceFacts(*names, triplet, instances, *counts, indices, dict(table["sources"]), _stamps(table))


def view_facts(table: Mapping[str, Any]) -> ViewFacts:
    """What the facts of a view's folder say."""
    video = table["video"]
    top, left, height, width = table["box"]
    return ViewFacts(
        table["serial"],
        table["recipe"],
        Camera(*_camera_from_json(table["camera"])),
        (top, left, height, width),
        Calibration(*_camera_from_json(table["calibration"])),
        VideoFacts(video["frames"], tuple(video["size"]), video["fps"], video["bytes"]),
        table["annotations"],
        _stamps(table),
    )


def read_facts(out: Path, key: str) -> SequenceFacts:
    """What is known of a prepared sequence; its tracks are not looked at.

    Raises:
        FileNotFoundError: it was not prepared.
        Damaged: the facts are damaged; names the file.
    """
    return sequence_facts(peek(tracks_folder(out, key)))


def read_view_facts(out: Path, key: str, recipe: Recipe, serial: str) -> ViewFacts:
    """What is known of a prepared view; its video and masks are not looked at.  Errors as ``read_facts``."""
    return view_facts(peek(view_folder(out, key, recipe, serial)))


def has_tracks(out: Path, key: str) -> bool:
    """Whether a sequence's tracks are there: whether they are whole is found on reading them."""
    return _has_facts(tracks_folder(out, key))


def has_view(out: Path, key: str, recipe: Recipe, serial: str) -> bool:
    """Whether a view is there: whether it is whole is found on reading it."""
    return _has_facts(view_folder(out, key, recipe, serial))


def _stamps(table: Mapping[str, Any]) -> Stamps:
    return {name: (size, changed) for name, (size, changed) in table["stamps"].items()}


def _has_facts(folder: Path) -> bool:
    try:
        peek(folder)
    except (FileNotFoundError, ValueError):
        return False
    return True


def _camera_to_json(camera: Camera | Calibration) -> dict[str, Any]:
    return {"size": list(camera.size)} | {name: getattr(camera, name).tolist() for name in ("K", "R", "t")}


def _camera_from_json(table: Mapping[str, Any]) -> tuple[Any, Any, Any, tuple[int, int]]:
    K, R, t = (np.asarray(table[name], dtype=np.float64) for name in ("K", "R", "t"))
    height, width = table["size"]
    return K, R, t, (height, width)
