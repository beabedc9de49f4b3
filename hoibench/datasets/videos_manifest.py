"""The format of manifest.json in the data set ``videos``, schema ``hoibench/videos@1``."""

from __future__ import annotations

import re
import string
from pathlib import PurePosixPath
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from hoibench.store.records import Record

_FIELDS = ("method", "clip", "view")


def _check_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}", value):
        raise ValueError(
            f"{value[:100]!r} is not an id: expected at most 128 letters, digits, '_', '-' and '.', not starting with '.'"
        )
    return value


def _check_template(value: str) -> str:
    """Return the path template; raise ValueError unless it has all fields and its paths stay inside the root for all ids."""
    try:
        parts = list(string.Formatter().parse(value))
    except ValueError:
        parts = []
    fields = {name for _, name, _, _ in parts if name is not None}
    has_plain_fields = all(not spec and not conversion for _, _, spec, conversion in parts)
    path = PurePosixPath(value)
    is_inside = not path.is_absolute() and ".." not in path.parts and "\\" not in value and ":" not in value
    if fields != set(_FIELDS) or not has_plain_fields or not is_inside:
        raise ValueError(
            f"{value[:100]!r} is not a path template: expected a relative path with {{method}}, {{clip}} and {{view}}, without '..', "
            "e.g. '{method}/{clip}/{view}.mp4'"
        )
    return value


Id = Annotated[str, AfterValidator(_check_id)]


class PublishedMethod(Record):
    """A method with videos in the folder: its full ``name``, and a reference to its ``paper``, or None."""

    name: str
    paper: str | None = None


class VideosClip(Record):
    """A clip in the folder: its id, and its text prompt, or None."""

    id: Id
    prompt: str | None = None


class VideosManifest(Record):
    """The content of manifest.json.

    Attributes:
        fps, frames, height, width: frames per second, number of frames, and size in pixels of every video.
        views: ids of the V views, in order.
        clips: the clips with their prompts.
        methods: method id -> name and paper of the method.
        path: template of a video's path under the root, with {method}, {clip} and {view}.
        source_view: id of the view that video-to-video methods had as input, or None.
        source, licence: origin and licence of the videos.
    """

    SCHEMA = "hoibench/videos@1"

    fps: PositiveFloat
    frames: PositiveInt
    height: PositiveInt
    width: PositiveInt
    views: tuple[Id, ...] = Field(min_length=1)
    clips: tuple[VideosClip, ...] = Field(min_length=1)
    methods: dict[Id, PublishedMethod] = Field(min_length=1)
    path: Annotated[str, AfterValidator(_check_template)]
    source_view: str | None = None
    source: str | None = None
    licence: str | None = None

    @model_validator(mode="after")
    def _check_ids(self) -> Self:
        for key, ids in (("views", self.views), ("clips", tuple(self.prompts))):
            if len(set(ids)) != len(getattr(self, key)):
                raise ValueError(f"{key} has a repeated id; ids must be unique")
        if self.source_view is not None and self.source_view not in self.views:
            views = ", ".join(self.views)
            raise ValueError(f"source_view is {self.source_view!r}, expected one of the views ({views}) or null")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of every video."""
        return self.height, self.width

    @property
    def prompts(self) -> dict[str, str | None]:
        """Clip id -> text prompt, or None."""
        return {clip.id: clip.prompt for clip in self.clips}

    def file(self, method: str, clip: str, view: str) -> PurePosixPath:
        """Return the path of a method's video of one view of a clip, relative to the root."""
        return PurePosixPath(self.path.format(method=method, clip=clip, view=view))
