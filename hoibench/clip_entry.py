"""The description of a clip that is not loaded yet; manifests of splits list it, and each run's run.json records it."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import PositiveInt

from hoibench.store.records import Record


@dataclass(frozen=True)
class ClipEntry:
    """A clip's id, and the facts by which it is loaded and by which statistics group it.

    Attributes:
        id: key of the recorded or generated sequence, ``[A-Za-z0-9_.-]+``, used as a folder name.
        triplet: (tool, action, target), or None.
        instances: ids of the (tool, target) objects, or None; the bootstrap resamples clips with the same pair together.
        camera_ids: ids of the scored cameras, in the order of the views.
        start: index of the clip's first frame in the sequence.
        tags: reasons why the clip is in its part of the split, e.g. ``unseen_object``.
        valid_frames: number of recorded frames if the recording is shorter than the clip; None if all frames are recorded.
        variant: crop and kind of video, if splits of the data set differ in these, e.g. ``frame0-raw``; else empty.
    """

    __pydantic_config__ = Record.model_config

    id: str
    triplet: tuple[str, str, str] | None = None
    instances: tuple[str, str] | None = None
    camera_ids: tuple[str, ...] = ()
    start: int = 0
    tags: tuple[str, ...] = ()
    valid_frames: PositiveInt | None = None
    variant: str = ""
