"""Context of a diagnosis: data shared by all checks, read once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.doctor.listing import Listing
from hoibench.datasets.taco.download import POSES, TacoSequence
from hoibench.datasets.taco.objects import count_pose_rows
from hoibench.datasets.taco.protocol import Recipe, Video
from hoibench.progress import ProgressCallback

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class DiagnosticContext:
    """The input of every check.

    Attributes:
        listing: names of folders and files in the download.
        lines: clips to check for; empty if no split was given.
        mano: the folder of MANO's files; None for $HOIBENCH_MANO.
        cache: the folder for prepared clips.
        deep: run costly checks on all sequences.
        sample: number of sequences for costly checks otherwise.
        on_progress: called before each step.
    """

    listing: Listing
    lines: tuple[SplitLine, ...]
    mano: Path | None
    cache: Path
    deep: bool
    sample: int
    on_progress: ProgressCallback

    @property
    def root(self) -> Path:
        """The folder of the download."""
        return self.listing.root

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Keys of the existing sequences of the split, or of all sequences if there are none."""
        existing = frozenset(self.listing.sequences)
        of_split = frozenset(line.entry.id for line in self.lines)
        return (existing & of_split) or existing

    @cached_property
    def sampled(self) -> tuple[TacoSequence, ...]:
        """The sequences for costly checks: all, or a fixed sample of the wanted ones."""
        if self.deep:
            return tuple(self.listing.sequences.values())
        shuffled = sorted(self.wanted, key=lambda key: hashlib.sha256(key.encode()).digest())
        return tuple(self.listing.sequences[key] for key in sorted(shuffled[: self.sample]))

    @cached_property
    def video_kinds(self) -> frozenset[Video]:
        """Kinds of video in the split; raw if no split was given."""
        return frozenset(Recipe.parse(line.recipe).video for line in self.lines) or frozenset({"raw"})

    @cached_property
    def with_poses(self) -> tuple[TacoSequence, ...]:
        """The sequences with object poses."""
        return tuple(self.listing.sequences[key] for key in sorted(self.listing.keys[POSES]))

    @cached_property
    def frame_counts(self) -> Mapping[str, int]:
        """Key -> N, the rows of the tool's poses, from the file header; without unreadable files, which the check ``poses`` reports."""
        frames = {}
        for sequence in self.with_poses:
            try:
                frames[sequence.key] = count_pose_rows(sequence.find_object_pose("tool")[1])
            except (ValueError, OSError):
                continue
        return frames

    def iterate(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, reporting progress before each."""
        listed = list(items)
        for done, item in enumerate(listed):
            self.on_progress(stage, done, len(listed))
            yield item
