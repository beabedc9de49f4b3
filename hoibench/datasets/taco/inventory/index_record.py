"""One line of an index: what a copy of TACO holds of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hoibench.datasets.taco.inventory.fingerprint import CameraPrint
from hoibench.datasets.taco.layout import Triplet


@dataclass(frozen=True)
class Record:
    """One sequence as a copy of TACO holds it; what is not there is empty, what is broken is among ``problems``.

    Attributes:
        key: YYYYMMDD_NNN.
        triplet: (tool, action, target).
        modalities: top folders that hold anything of it.
        videos: ``raw`` and ``marker-removed`` -> serials whose video is there.
        objects: ``tool`` and ``target`` -> object id.
        frames: N, rows of the object poses.
        poses: ``tool`` and ``target`` -> sha256 of the poses' values.
        hands: ``left`` and ``right`` -> sha256 of the poses' and shapes' values, if they were asked for.
        cameras: serial -> its calibration.
        calib_status, calib_bad_cams: what the mirror's taco_info.csv says.
        problems: why parts of it cannot be read, paths relative to the tree.
    """

    key: str
    triplet: Triplet
    modalities: tuple[str, ...] = ()
    videos: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    objects: Mapping[str, str] = field(default_factory=dict)
    frames: int | None = None
    poses: Mapping[str, str] = field(default_factory=dict)
    hands: Mapping[str, str] = field(default_factory=dict)
    cameras: Mapping[str, CameraPrint] = field(default_factory=dict)
    calib_status: str | None = None
    calib_bad_cams: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as sequences.jsonl holds it."""
        return {
            "key": self.key,
            "triplet": list(self.triplet),
            "modalities": list(self.modalities),
            "videos": {name: list(serials) for name, serials in self.videos.items()},
            "objects": dict(self.objects),
            "fingerprint": {
                "frames": self.frames,
                "poses": dict(self.poses),
                "hands": dict(self.hands),
                "cameras": {
                    serial: {name: list(values) for name, values in vars(camera).items()}
                    for serial, camera in self.cameras.items()
                },
            },
            "calib_status": self.calib_status,
            "calib_bad_cams": list(self.calib_bad_cams),
            "problems": list(self.problems),
        }

    @classmethod
    def from_json(cls, table: Any) -> Record:
        """A record from its JSON object.

        Raises:
            ValueError: a key is missing or unknown, or a value has another type.
        """
        prints = _keyed(_keyed(table, _RECORD)["fingerprint"], _FINGERPRINT)
        triplet, frames, status = table["triplet"], prints["frames"], table["calib_status"]
        if not isinstance(table["key"], str) or len(_texts(triplet)) != 3:
            raise ValueError("key must be a string and triplet three of them")
        if not (frames is None or type(frames) is int) or not (status is None or isinstance(status, str)):
            raise ValueError("frames must be an integer or null, calib_status a string or null")
        return cls(
            key=table["key"],
            triplet=(triplet[0], triplet[1], triplet[2]),
            modalities=_texts(table["modalities"]),
            videos={name: _texts(serials) for name, serials in _mapping(table["videos"]).items()},
            objects=_text_by_name(table["objects"]),
            frames=frames,
            poses=_text_by_name(prints["poses"]),
            hands=_text_by_name(prints["hands"]),
            cameras={serial: _camera(item) for serial, item in _mapping(prints["cameras"]).items()},
            calib_status=status,
            calib_bad_cams=_texts(table["calib_bad_cams"]),
            problems=_texts(table["problems"]),
        )


_RECORD = set(Record("", ("", "", "")).to_json())
_FINGERPRINT = set(Record("", ("", "", "")).to_json()["fingerprint"])


def _camera(value: Any) -> CameraPrint:
    table = _keyed(value, {"intrinsics", "rotation", "centre"})
    return CameraPrint(_numbers(table["intrinsics"], 4), _numbers(table["rotation"], 9), _numbers(table["centre"], 3))


def _keyed(value: Any, keys: set[str]) -> dict[str, Any]:
    if _mapping(value).keys() != keys:
        raise ValueError(f"its keys are {', '.join(sorted(value))}, expected {', '.join(sorted(keys))}")
    return _mapping(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{value!r} is no object")
    return value


def _text_by_name(value: Any) -> dict[str, str]:
    return dict(zip(_mapping(value), _texts(list(_mapping(value).values())), strict=True))


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"{value!r} is no list of strings")
    return tuple(value)


def _numbers(value: Any, length: int) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != length or not all(type(item) in (int, float) for item in value):
        raise ValueError(f"{value!r} is no list of {length} numbers")
    return tuple(float(item) for item in value)
