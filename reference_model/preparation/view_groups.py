"""The views to prepare: of each clip the cameras of the split, or all cameras."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.taco.protocol import prompt

CameraChoice = Literal["split", "all"]


@dataclass(frozen=True, eq=False)
class ViewGroup:
    """Views of a clip that are loaded together.

    Attributes:
        clip: its id.
        views: their ids.
        prompt: of the clip, known before it is loaded.
        load: returns the clip with these views; raises as ``Dataset.load``.
    """

    clip: str
    views: tuple[str, ...]
    prompt: str
    load: Callable[[], Clip]


def group_views(dataset: Dataset, entries: Sequence[ClipEntry], cameras: CameraChoice) -> Iterator[ViewGroup]:
    """Yield the views of clips: a group per clip, or with ``cameras="all"`` a group per camera, so that a damaged one costs no other.

    Raises:
        ValueError: ``cameras`` is ``all``, and the data set has no cameras besides the split's.
    """
    if cameras == "split":
        for entry in entries:
            yield ViewGroup(entry.id, entry.camera_ids, _prompt(entry), partial(dataset.load, entry))
        return
    for entry in entries:
        for camera_id, load in dataset.camera_loaders(entry):
            yield ViewGroup(entry.id, (camera_id,), _prompt(entry), load)


def _prompt(entry: ClipEntry) -> str:
    return "" if entry.triplet is None else prompt(entry.triplet)
