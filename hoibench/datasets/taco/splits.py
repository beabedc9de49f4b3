"""TACO's released splits, found by name, and what of them a download can give: by which files are there and how many rows they have, none decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hoibench.datasets.split_files import SplitLine, VersionedSplit, all_splits
from hoibench.datasets.taco.download import CAMERAS, HANDS, MODELS, POSES, ROLES, TacoDownload, TacoSequence, find_model
from hoibench.datasets.taco.objects import pose_rows
from hoibench.datasets.taco.protocol import FRAMES, MODALITIES, SOURCE_FPS, Recipe, window
from hoibench.datasets.taco.rig import rig
from hoibench.plugins import UnknownName

DEFAULT_SPLIT = "taco-syncmv4d@1"
"""The split that is meant where a part is named alone."""

TOO_SHORT = f"the recording is too short for {FRAMES} frames at 8 fps; --short pad takes it"


@cache
def taco_splits() -> dict[str, VersionedSplit]:
    """Name -> split, ``DEFAULT_SPLIT`` first."""
    shipped = {splits.name: splits for splits in all_splits() if splits.name.startswith("taco-")}
    return {DEFAULT_SPLIT: shipped.pop(DEFAULT_SPLIT), **shipped}


def part_names() -> tuple[str, ...]:
    """The names that ``find_part`` takes: parts of the first split alone, those of the others by their whole names."""
    first, *others = taco_splits().values()
    return (*first.parts, *(f"{splits.name}/{part}" for splits in others for part in splits.parts))


def find_part(split: str) -> tuple[VersionedSplit, str]:
    """The split and the part that ``PART`` or ``NAME@VERSION/PART`` means.

    Raises:
        UnknownName: there is no such split; gives the nearest names.
    """
    name, _, part = split.rpartition("/")
    splits = taco_splits().get(name or DEFAULT_SPLIT)
    if splits is None or part not in splits.parts:
        raise UnknownName("split", split, part_names())
    return splits, part


def split_lines(split: str) -> tuple[SplitLine, ...]:
    """The lines of a part as released; raises as ``find_part``."""
    splits, part = find_part(split)
    return splits.lines(part)


@dataclass(frozen=True)
class Found:
    """A clip that can be made: ids of its (tool, target), None where a pose file's name is broken, and the frames that the recording fills."""

    instances: tuple[str, str] | None
    valid_frames: int

    @property
    def short(self) -> bool:
        """Whether the recording ends before the clip does."""
        return self.valid_frames < FRAMES


@dataclass(frozen=True)
class Missing:
    """A clip that a partial download cannot give, and why, in words that are the same for all such clips."""

    reason: str


@dataclass(frozen=True)
class Selection:
    """What of some lines can be had.

    Attributes:
        found: lines with what there is of them.
        left_out: id -> why not, of the others.
    """

    found: tuple[tuple[SplitLine, Found], ...]
    left_out: dict[str, str]


def select(lines: Iterable[SplitLine], find: Callable[[SplitLine], Found | Missing], *, with_short: bool) -> Selection:
    """Part lines into those whose clips ``find`` finds and the others; recordings shorter than a clip are left out unless ``with_short``."""
    found, left_out = [], {}
    for line in lines:
        answer = find(line)
        if isinstance(answer, Missing):
            left_out[line.entry.id] = answer.reason
        elif answer.short and not with_short:
            left_out[line.entry.id] = TOO_SHORT
        else:
            found.append((line, answer))
    return Selection(tuple(found), left_out)


def camera_by_camera(tree: TacoDownload, line: SplitLine) -> tuple[SplitLine, ...]:
    """A line for each camera of TACO's that filmed the sequence, whatever cameras the split names, so that a broken one costs no other."""
    sequence = tree.sequences.get(line.entry.id)
    there = {} if sequence is None else sequence.videos(MODALITIES[Recipe.parse(line.recipe).video])
    serials = [serial for serial in rig().cameras if serial in there]
    lines = (replace(line, entry=replace(line.entry, camera_ids=(serial,)), source=None) for serial in serials)
    return tuple(lines) or (line,)


def find_clip(tree: TacoDownload, line: SplitLine) -> Found | Missing:
    """What a download has of a split's clip.  A file that is there and broken makes no clip absent: reading it will say what is wrong."""
    sequence = tree.sequences.get(line.entry.id)
    if sequence is None:
        return Missing(f"the sequence is not in {POSES}")
    if line.entry.triplet not in (None, sequence.triplet):
        return Missing("the sequence lies under another triplet than its own")
    if not sequence.calibration.is_file():
        return Missing(f"the sequence is not in {CAMERAS}")
    if not sequence.folder(HANDS).is_dir():
        return Missing(f"the sequence is not in {HANDS}")
    modality = MODALITIES[Recipe.parse(line.recipe).video]
    if not line.entry.camera_ids or not sequence.videos(modality).keys() >= set(line.entry.camera_ids):
        return Missing(f"a camera of the clip is not in {modality}; hoibench data doctor with this --split says which")
    return _look_at_objects(tree, sequence)


def _look_at_objects(tree: TacoDownload, sequence: TacoSequence) -> Found | Missing:
    try:
        (tool, poses), (target, _) = (sequence.object_pose(role) for role in ROLES)
    except ValueError:
        return Found(None, FRAMES)
    except FileNotFoundError:
        return Missing(f"the sequence lacks a file in {POSES}")
    try:
        for item in (tool, target):
            find_model(tree.root, item)
    except FileNotFoundError:
        return Missing(f"a mesh of the clip is not in {MODELS[0]}")
    return Found((tool, target), _valid_frames(poses))


def _valid_frames(poses: Path) -> int:
    try:
        return window(pose_rows(poses), SOURCE_FPS).valid
    except (ValueError, OSError):
        return FRAMES
