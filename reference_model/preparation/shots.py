"""What of a data set is prepared: its clips, with the views that the split names or with all that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from hoibench.clip import Clip
from hoibench.datasets.base import ClipEntry, Dataset
from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.availability import camera_by_camera
from hoibench.datasets.taco.dataset import TacoDataset
from hoibench.datasets.taco.prepare.format import view_folder
from hoibench.datasets.taco.prompts import prompt
from hoibench.datasets.taco.protocol import Recipe
from hoibench.datasets.taco.released import lines_of
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.sources import ClipSource, DownloadedClips, PreparedClips

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


def shots_of(dataset: Dataset, split: str, entries: Sequence[ClipEntry], cameras: Cameras) -> Iterator[Shot]:
    """The shots of some clips of a split; with ``cameras`` all, one for each camera, so that a broken one costs no other.

    Raises:
        ValueError: all cameras are asked of a data set whose clips have no others than the split's.
    """
    if cameras == "split":
        for entry in entries:
            yield Shot(entry.id, entry.serials, _prompt(entry), partial(dataset.load, entry))
        return
    if not isinstance(dataset, TacoDataset):
        raise ValueError(f"--cameras all: clips of {dataset.name} have no cameras but the split's; leave it out")
    lines = {line.entry.id: line for line in lines_of(split)}
    for entry in entries:
        for line in _camera_by_camera(dataset.source, lines[entry.id]):
            yield Shot(entry.id, line.entry.serials, _prompt(entry), partial(dataset.source.load, line))


def _prompt(entry: ClipEntry) -> str:
    return "" if entry.triplet is None else prompt(entry.triplet)


def _camera_by_camera(source: ClipSource, line: Line) -> Sequence[Line]:
    """A line for each camera that filmed the clip, or that it was prepared for."""
    if isinstance(source, DownloadedClips):
        return camera_by_camera(source.tree, line)
    assert isinstance(source, PreparedClips)
    recipe = Recipe.parse(line.recipe)
    serials = (s for s in rig().cameras if view_folder(source.out, line.entry.id, recipe, s).is_dir())
    return [replace(line, entry=replace(line.entry, serials=(serial,)), source=None) for serial in serials]
