"""What of a data set is prepared: its clips, with the views that the split names or with all that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.taco.protocol import prompt

Cameras = Literal["split", "all"]


@dataclass(frozen=True, eq=False)
class Shot:
    """Views of a clip that are loaded together.

    Attributes:
        clip: its id.
        views: their ids.
        prompt: the clip's, known before it is loaded.
        load: the clip with these views; raises as ``Dataset.load``.
    """

    clip: str
    views: tuple[str, ...]
    prompt: str
    load: Callable[[], Clip]


def shots_of(dataset: Dataset, entries: Sequence[ClipEntry], cameras: Cameras) -> Iterator[Shot]:
    """The shots of some clips; with ``cameras`` all, one for each camera, so that a broken one costs no other.

    Raises:
        ValueError: all cameras are asked of a data set whose clips have no others than the split's.
    """
    if cameras == "split":
        for entry in entries:
            yield Shot(entry.id, entry.camera_ids, _prompt(entry), partial(dataset.load, entry))
        return
    for entry in entries:
        for serial, load in dataset.camera_loaders(entry):
            yield Shot(entry.id, (serial,), _prompt(entry), load)


def _prompt(entry: ClipEntry) -> str:
    return "" if entry.triplet is None else prompt(entry.triplet)
