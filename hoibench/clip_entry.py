"""A clip of a split before it is loaded: manifests list it, run.json records it, statistics group by it."""

from __future__ import annotations

from dataclasses import dataclass

from hoibench.store.records import Record


@dataclass(frozen=True)
class ClipEntry:
    """A clip's id and the facts that statistics need.

    Attributes:
        id: the sequence key, ``[A-Za-z0-9_.-]+``, used as a folder name.
        triplet: (tool, action, target), or None.
        instances: ids of the (tool, target) objects, the bootstrap's clusters, or None.
        camera_ids: cameras that are scored, in view order.
        start: first source frame.
        tags: why the clip is in its split.
        valid_frames: frames that a recording shorter than the clip fills, None where it fills all.
        variant: how the clip is cut from its sequence, if splits differ in that, e.g. ``frame0-raw``.
    """

    __pydantic_config__ = Record.model_config

    id: str
    triplet: tuple[str, str, str] | None = None
    instances: tuple[str, str] | None = None
    camera_ids: tuple[str, ...] = ()
    start: int = 0
    tags: tuple[str, ...] = ()
    valid_frames: int | None = None
    variant: str = ""
