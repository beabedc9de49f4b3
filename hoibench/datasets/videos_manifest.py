"""manifest.json of a folder of videos, schema ``hoibench/videos@1``, taken apart and checked."""

from __future__ import annotations

import math
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from hoibench.store import sha256_json

SCHEMA = "hoibench/videos@1"

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")
_FIELDS = ("method", "clip", "view")
_REQUIRED = ("schema", "fps", "frames", "height", "width", "views", "clips", "methods", "path")
_OPTIONAL = ("source_view", "source", "licence")


@dataclass(frozen=True)
class PublishedMethod:
    """A method whose outputs lie in the folder: its full ``name`` and the ``paper`` it is from, or None."""

    name: str
    paper: str | None


@dataclass(frozen=True)
class VideosManifest:
    """What a folder of videos holds.

    Attributes:
        fps, frames, size: the rate, length and (H, W) that every video has.
        views: ids of the V views, in order.
        clips: prompt, or None, by clip id.
        methods: by id.
        path: the template of a video's path under the root, with {method}, {clip} and {view}.
        source_view: the view that video-to-video methods were given, or None.
        source, licence: where the videos are from.
        hash: SHA-256 of the manifest's canonical JSON.
    """

    fps: float
    frames: int
    size: tuple[int, int]
    views: tuple[str, ...]
    clips: Mapping[str, str | None]
    methods: Mapping[str, PublishedMethod]
    path: str
    source_view: str | None
    source: str | None
    licence: str | None
    hash: str

    def file(self, method: str, clip: str, view: str) -> PurePosixPath:
        """The path of a video, relative to the root."""
        return PurePosixPath(self.path.format(method=method, clip=clip, view=view))


def parse_manifest(where: Path, table: Any) -> VideosManifest:
    """A manifest from the JSON of the file ``where``.

    Raises:
        ValueError: a key is missing, unknown or holds something else than it should; names file, key, value and what belongs there.
    """
    _check_keys(where, table)
    views = tuple(_id(where, "views", view) for view in _list(where, "views", table["views"]))
    clips = dict(_clip(where, clip) for clip in _list(where, "clips", table["clips"]))
    methods = table["methods"]
    if not isinstance(methods, dict) or not methods:
        raise _wrong(where, "methods", methods, "an object with at least one method, id: {name, paper}")
    for key, ids, count in (("views", set(views), len(views)), ("clips", set(clips), len(table["clips"]))):
        if len(ids) != count:
            raise ValueError(f"{where}: {key} names one id twice; give each an id of its own")
    source_view = _text(where, "source_view", table.get("source_view"))
    if source_view is not None and source_view not in views:
        raise _wrong(where, "source_view", source_view, f"one of the views ({', '.join(views)}) or null")
    return VideosManifest(
        fps=_rate(where, table["fps"]),
        frames=_count(where, "frames", table["frames"]),
        size=(_count(where, "height", table["height"]), _count(where, "width", table["width"])),
        views=views,
        clips=clips,
        methods={_id(where, "methods", id): _method(where, id, method) for id, method in methods.items()},
        path=_template(where, table["path"]),
        source_view=source_view,
        source=_text(where, "source", table.get("source")),
        licence=_text(where, "licence", table.get("licence")),
        hash=sha256_json(table),
    )


def _check_keys(where: Path, table: Any) -> None:
    if not isinstance(table, dict):
        raise _wrong(where, "the whole file", table, "an object")
    if table.get("schema") != SCHEMA:
        raise _wrong(where, "schema", table.get("schema"), repr(SCHEMA))
    missing = [key for key in _REQUIRED if key not in table]
    if missing:
        raise ValueError(f"{where}: key {missing[0]!r} is missing; a manifest has {', '.join(_REQUIRED)}")
    unknown = sorted(set(table) - {*_REQUIRED, *_OPTIONAL})
    if unknown:
        raise ValueError(f"{where}: unknown key {unknown[0]!r}; a manifest has {', '.join((*_REQUIRED, *_OPTIONAL))}")


def _clip(where: Path, value: Any) -> tuple[str, str | None]:
    if not isinstance(value, dict) or "id" not in value:
        raise _wrong(where, "clips", value, "objects {id, prompt}")
    return _id(where, "clips", value["id"]), _text(where, "prompt", value.get("prompt"))


def _method(where: Path, id: str, value: Any) -> PublishedMethod:
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise _wrong(where, f"methods.{id}", value, "an object with a name")
    return PublishedMethod(value["name"], _text(where, f"methods.{id}.paper", value.get("paper")))


def _template(where: Path, value: Any) -> str:
    """A path template that stays under the root, whatever ids it is filled with."""
    wanted = "a relative path with {method}, {clip} and {view}, without '..', e.g. '{method}/{clip}/{view}.mp4'"
    if not isinstance(value, str):
        raise _wrong(where, "path", value, wanted)
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError:
        raise _wrong(where, "path", value, wanted) from None
    fields = [name for _, name, _, _ in parts if name is not None]
    plain = all(not spec and not conversion for _, _, spec, conversion in parts)
    path = PurePosixPath(value)
    if (
        set(fields) != set(_FIELDS)
        or not plain
        or path.is_absolute()
        or ".." in path.parts
        or "\\" in value
        or ":" in value
    ):
        raise _wrong(where, "path", value, wanted)
    return value


def _list(where: Path, key: str, value: Any) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise _wrong(where, key, value, "a list with at least one entry")
    return value


def _id(where: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _wrong(where, key, value, "ids of letters, digits, '_', '-' and '.', not starting with '.'")
    return value


def _text(where: Path, key: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise _wrong(where, key, value, "text or null")
    return value


def _count(where: Path, key: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(where, key, value, "a whole number of at least 1")
    return value


def _rate(where: Path, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not (math.isfinite(value) and value > 0):
        raise _wrong(where, "fps", value, "a number above 0")
    return float(value)


def _wrong(where: Path, key: str, value: Any, wanted: str) -> ValueError:
    return ValueError(f"{where}: {key} is {str(value)[:100]!r}, expected {wanted}")
