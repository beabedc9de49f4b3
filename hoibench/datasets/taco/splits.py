"""TACO's splits by name, and which of their clips a download has, judged by file names and headers only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from hoibench.datasets.split_files import SplitLine, VersionedSplit, all_splits
from hoibench.datasets.taco.download import (
    CAMERAS,
    HANDS,
    MODELS,
    OBJECT_ROLES,
    POSES,
    TacoDownload,
    TacoSequence,
    find_mesh,
)
from hoibench.datasets.taco.objects import count_pose_rows
from hoibench.datasets.taco.protocol import FRAMES, MODALITIES, SOURCE_FPS, Recipe, choose_window
from hoibench.datasets.taco.rig import rig
from hoibench.plugins import UnknownName

DEFAULT_SPLIT = "taco-syncmv4d@2"
"""The split of a part that is named without a split."""

TOO_SHORT = f"the recording is too short for {FRAMES} frames at 8 fps; include it with --short pad"


@cache
def taco_splits() -> dict[str, VersionedSplit]:
    """Return name@version -> split for the shipped splits of TACO, ``DEFAULT_SPLIT`` first."""
    shipped = {splits.name: splits for splits in all_splits() if splits.name.startswith("taco-")}
    return {DEFAULT_SPLIT: shipped.pop(DEFAULT_SPLIT), **shipped}


def part_names() -> tuple[str, ...]:
    """Return the names of all splits' parts that ``find_part`` accepts: PART for the default split, NAME@VERSION/PART for others."""
    first, *others = taco_splits().values()
    return (*first.parts, *(f"{splits.name}/{part}" for splits in others for part in splits.parts))


def find_part(split: str) -> tuple[VersionedSplit, str]:
    """Return the split, and the name of its part, for a name ``PART`` (in the default split) or ``NAME@VERSION/PART``.

    Raises:
        UnknownName: the split does not exist; suggests similar names.
    """
    name, _, part = split.rpartition("/")
    splits = taco_splits().get(name or DEFAULT_SPLIT)
    if splits is None or part not in splits.parts:
        raise UnknownName("split", split, part_names())
    return splits, part


def split_lines(split: str) -> tuple[SplitLine, ...]:
    """Return the lines, one per clip, of the part of a split with this name; raises the errors of ``find_part``."""
    splits, part = find_part(split)
    return splits.lines(part)


@cache
def lines_by_clip(name: str) -> Mapping[tuple[str, tuple[str, ...], str], SplitLine]:
    """Return (clip id, scored cameras, name of the recipe) -> line, of all parts of the split ``name``, e.g. ``taco-syncmv4d@2``."""
    splits = taco_splits()[name]
    lines = (line for part in splits.release.files for line in splits.lines(part))
    return {(line.entry.id, line.entry.camera_ids, Recipe.parse(line.recipe).name): line for line in lines}


@dataclass(frozen=True)
class Found:
    """An available clip.

    Attributes:
        instances: ids of its (tool, target) objects, or None if they cannot be read.
        valid_frames: number of its frames that were recorded; all frames if that cannot be read.
    """

    instances: tuple[str, str] | None
    valid_frames: int

    @property
    def is_short(self) -> bool:
        """True if the recording ends before the clip does."""
        return self.valid_frames < FRAMES


@dataclass(frozen=True)
class Missing:
    """A clip that is not available; ``reason`` has the same words for all clips with that reason, so that they can be counted."""

    reason: str


@dataclass(frozen=True)
class Selection:
    """The lines of a split whose clips are available, and the reasons why other clips are left out.

    Attributes:
        found: (line, available clip) pairs.
        left_out: clip id -> reason, of the other lines.
    """

    found: tuple[tuple[SplitLine, Found], ...]
    left_out: dict[str, str]


def select_clips(
    lines: Iterable[SplitLine], find: Callable[[SplitLine], Found | Missing], *, with_short: bool
) -> Selection:
    """Select the split lines whose clips ``find`` says are available; recordings shorter than a clip are left out unless ``with_short``."""
    found, left_out = [], {}
    for line in lines:
        clip = find(line)
        if isinstance(clip, Missing):
            left_out[line.entry.id] = clip.reason
        elif clip.is_short and not with_short:
            left_out[line.entry.id] = TOO_SHORT
        else:
            found.append((line, clip))
    return Selection(tuple(found), left_out)


def lines_per_camera(download: TacoDownload, line: SplitLine) -> tuple[SplitLine, ...]:
    """Return copies of a split's line, each with one camera, for all cameras that filmed its sequence; the line itself if there are none.

    A damaged video then affects no other camera.
    """
    sequence = download.sequences.get(line.entry.id)
    videos = {} if sequence is None else sequence.videos(MODALITIES[Recipe.parse(line.recipe).video])
    serials = [serial for serial in rig().cameras if serial in videos]
    lines = (replace(line, entry=replace(line.entry, camera_ids=(serial,)), source=None) for serial in serials)
    return tuple(lines) or (line,)


def find_clip(download: TacoDownload, line: SplitLine) -> Found | Missing:
    """Return ``Found`` if a download has the files of the clip that a split's line describes, else ``Missing``; files are not checked for damage."""
    sequence = download.sequences.get(line.entry.id)
    if sequence is None:
        return Missing(f"the sequence is not in {POSES}")
    if line.entry.triplet not in (None, sequence.triplet):
        return Missing("the sequence is in the folder of another triplet")
    if not sequence.calibration.is_file():
        return Missing(f"the sequence is not in {CAMERAS}")
    if not sequence.folder(HANDS).is_dir():
        return Missing(f"the sequence is not in {HANDS}")
    modality = MODALITIES[Recipe.parse(line.recipe).video]
    if not line.entry.camera_ids or not sequence.videos(modality).keys() >= set(line.entry.camera_ids):
        return Missing(f"a camera of the clip is not in {modality}; hoibench data doctor with this --split shows which")
    return _find_objects(download, sequence)


def _find_objects(download: TacoDownload, sequence: TacoSequence) -> Found | Missing:
    try:
        (tool, poses), (target, _) = (sequence.find_object_pose(role) for role in OBJECT_ROLES)
    except ValueError:
        return Found(None, FRAMES)
    except FileNotFoundError:
        return Missing(f"the sequence lacks a file in {POSES}")
    try:
        for item in (tool, target):
            find_mesh(download.root, item)
    except FileNotFoundError:
        return Missing(f"a mesh of the clip is not in {MODELS[0]}")
    return Found((tool, target), _valid_frames(poses))


def _valid_frames(poses: Path) -> int:
    try:
        return choose_window(count_pose_rows(poses), SOURCE_FPS).valid
    except (ValueError, OSError):
        return FRAMES
