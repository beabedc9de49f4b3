"""The data set ``synthetic``: clips that are generated on first use and then read like TACO clips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hoibench.clip import Clip
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Grid, Manifest
from hoibench.datasets.split_files import SplitLine, VersionedSplit
from hoibench.datasets.synthetic.cameras import SIZE
from hoibench.plugins import UnknownName
from hoibench.problems import Problem
from hoibench.progress import MessageCallback
from hoibench.store.atomic import ensure_folder, find_folder_problem, free_bytes
from hoibench.store.cache_dir import cache_dir
from hoibench.text import count

if TYPE_CHECKING:
    from hoibench.datasets.synthetic.scene import Scene

POINTS = 256
"""K, the number of tracked points."""

CLIP_BYTES = 800_000
"""Size of a generated clip on disk: the mean of 27 clips."""

VERSION = "synthetic@2"
"""Version of the clips' content: shapes, motion, images and truth.

Change it with every change of the content, and only then: runs on clips of different versions are never ranked together.  A test compares the content
with golden arrays (tests/support/synthetic_golden.py).
"""

REACH_VERSION = "synthetic-reach@1"
"""Version of the content of clips in which hands reach for objects or release them; change it as ``VERSION``, and whenever that changes."""

_VERSIONS = {"synthetic@2": VERSION, "synthetic-wide@2": VERSION, "synthetic-reach@1": REACH_VERSION}
"""Split of the data set -> version of its content; a part without the name of its split, e.g. ``demo``, is one of the first split."""


class SyntheticDataset(Dataset):
    """Synthetic clips in the cache or in ``root``: per clip, a small folder tree in the layout of TACO."""

    name: ClassVar[str] = "synthetic"
    kind = "synthetic"
    default_split: ClassVar[str] = "demo"
    grid = Grid(views=3, frames=25, size=SIZE, points=POINTS, fps=8.0)

    def __init__(self, root: Path, on_message: MessageCallback | None = None) -> None:
        self._root = root
        self._on_message = on_message

    @classmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> SyntheticDataset:
        """Open the data set in the folder ``root``, by default hoibench's cache, without generating clips."""
        return cls(root or cache_dir(), on_message)

    def splits(self) -> tuple[str, ...]:
        """Return the names that ``manifest`` accepts: parts of synthetic@2, e.g. ``demo``, and of other splits, e.g. ``synthetic-wide@2/demo``."""
        first, *others = self._splits.values()
        return (*first.parts, *(f"{splits.name}/{part}" for splits in others for part in splits.parts))

    def manifest(self, split: str) -> Manifest:
        """Return the clips of a part of a split; the manifest's ``truth_id`` is the version of the generated content.

        Raises:
            UnknownName: the part does not exist; suggests the nearest names.
        """
        name, _, part = split.rpartition("/")
        name = name or next(iter(_VERSIONS))
        if name not in _VERSIONS:
            raise UnknownName("split", split, self.splits())
        return replace(self._splits[name].manifest(part), truth_id=_VERSIONS[name])

    def preflight(self, entries: Sequence[ClipEntry]) -> Iterable[Problem]:
        """Return a problem if clips are missing and cannot be generated: the cache or ``root`` is not writable, or its disk is too small."""
        missing = self.clips_to_generate(entries)
        if not missing:
            return
        folder = self._clip_folder(missing[0]).parents[1]
        fix = f"{count(len(missing), 'clip')} to be generated there; choose another folder by HOIBENCH_CACHE or --root"
        if reason := find_folder_problem(folder):
            yield Problem(str(folder), "", reason, "", fix)
        elif (free := free_bytes(folder)) < (needed := len(missing) * CLIP_BYTES):
            yield Problem(str(folder), "", f"has {free} bytes free", f"about {needed}", fix)

    def load(self, entry: ClipEntry) -> Clip:
        """Load a clip; on first use, it is generated, which takes a few seconds.

        Raises:
            ValueError: the split has no such clip.
            OSError: the cache cannot be written; names HOIBENCH_CACHE.
        """
        # Imported here to list splits without the optional dependencies of clips.
        from hoibench.datasets.synthetic.load import load_clip
        from hoibench.datasets.taco.download import TacoDownload

        _, line = self._line(entry)
        tree = TacoDownload(self.generate(entry))
        return load_clip(
            tree, entry.id, line.entry.camera_ids, line.source, points=POINTS, truth="synthetic", tags=entry.tags
        )

    def clips_to_generate(self, entries: Sequence[ClipEntry]) -> tuple[ClipEntry, ...]:
        """Return the clips without files."""
        return tuple(entry for entry in entries if not self._clip_folder(entry).is_dir())

    def ensure(self, entry: ClipEntry) -> None:
        """Generate a clip's files unless they exist."""
        self.generate(entry)

    def generate(self, entry: ClipEntry) -> Path:
        """Generate a clip's files in the layout of TACO, unless they exist, and return their root folder; raises the errors of ``load``."""
        _, line = self._line(entry)
        folder = self._clip_folder(entry)
        if not folder.is_dir() and self._on_message is not None:
            self._on_message(f"generating synthetic clip {entry.id}")
        ensure_folder(folder, lambda root: _generate(root, line))
        return folder

    def _clip_folder(self, entry: ClipEntry) -> Path:
        split, _ = self._line(entry)
        return clips_folder(self._root, _VERSIONS[split]) / split / entry.id

    def _line(self, entry: ClipEntry) -> tuple[str, SplitLine]:
        """Return the name of a clip's split, and its line there; the same scene with other cameras is another clip."""
        try:
            return self._lines[entry.id, entry.camera_ids]
        except KeyError:
            raise ValueError(
                f"no synthetic split has clip {entry.id!r} with cameras {', '.join(entry.camera_ids)}: "
                "get entries from SyntheticDataset.manifest"
            ) from None

    @cached_property
    def _splits(self) -> dict[str, VersionedSplit]:
        return {name: VersionedSplit(name) for name in _VERSIONS}

    @cached_property
    def _lines(self) -> dict[tuple[str, tuple[str, ...]], tuple[str, SplitLine]]:
        lines = (
            (splits.name, line) for splits in self._splits.values() for p in splits.parts for line in splits.lines(p)
        )
        return {(line.entry.id, line.entry.camera_ids): (name, line) for name, line in lines}


def _generate(root: Path, line: SplitLine) -> None:
    from hoibench.datasets.synthetic.writer import write_sequence

    if line.source is None:
        raise ValueError(f"clip {line.entry.id} has no source camera in its split")
    serials = (*line.entry.camera_ids, line.source)
    write_sequence(root, line.entry.id, build_line_scene(line), serials, line.recipe["seed"])


def build_line_scene(line: SplitLine) -> Scene:
    """Build the scene of a clip of a split, without files; raises ValueError if the line has no triplet."""
    from hoibench.datasets.synthetic.reach import Reach
    from hoibench.datasets.synthetic.scene import build_scene

    if line.entry.triplet is None:
        raise ValueError(f"clip {line.entry.id} has no triplet in its split")
    recipe = line.recipe
    reach = Reach(tuple(recipe["hands"]), recipe["change"], recipe["time"]) if "hands" in recipe else None
    return build_scene(
        line.entry.triplet, recipe["tool_instance"], recipe["target_instance"], recipe["seed"], reach=reach
    )


def clips_folder(root: Path, version: str = VERSION) -> Path:
    """Return the folder in ``root`` for generated clips of a version of the content; it contains a folder per split."""
    return root / version.replace("@", "-clips@")
