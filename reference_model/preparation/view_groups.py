"""The views of clips to encode into a latent cache: those of the cameras in the split, or of all cameras that recorded a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.taco.protocol import build_prompt

CameraChoice = Literal["split", "all"]


@dataclass(frozen=True, eq=False)
class ViewGroup:
    """Views of a clip that are loaded together.

    Attributes:
        clip: id of the clip.
        views: ids of the views.
        prompt: prompt of the clip, known before the clip is loaded; empty if it has no triplet (tool, action, target).
        load: loads and returns the clip with these views only; raises the errors of ``Dataset.load``.
    """

    clip: str
    views: tuple[str, ...]
    prompt: str
    load: Callable[[], Clip]


def group_views(dataset: Dataset, entries: Sequence[ClipEntry], cameras: CameraChoice) -> Iterator[ViewGroup]:
    """Yield the views to encode of some clips, in groups that are loaded together.

    There is one group per clip, or with ``cameras="all"`` one per camera, so that a damaged video does not affect the other views.

    Raises:
        ValueError: ``cameras`` is ``all``, and the data set has no cameras besides the split's.
    """
    if cameras == "split":
        for entry in entries:
            yield ViewGroup(entry.id, entry.camera_ids, clip_prompt(entry), partial(dataset.load, entry))
        return
    for entry in entries:
        for camera_id, load in dataset.camera_loaders(entry):
            yield ViewGroup(entry.id, (camera_id,), clip_prompt(entry), load)


def clip_prompt(entry: ClipEntry) -> str:
    """Return the prompt of a clip; empty if it has no triplet (tool, action, target)."""
    return "" if entry.triplet is None else build_prompt(entry.triplet)
