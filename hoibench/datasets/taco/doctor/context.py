"""The context of a diagnosis: options, and facts about the download that several checks need, each read once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.checks import CheckedSequence, Finding
from hoibench.datasets.taco.doctor.listing import Listing
from hoibench.datasets.taco.download import POSES, TacoSequence
from hoibench.datasets.taco.objects import count_pose_rows
from hoibench.datasets.taco.protocol import Recipe, VideoKind
from hoibench.progress import ProgressCallback

T = TypeVar("T")

CheckedCallback = Callable[[CheckedSequence, tuple[Finding, ...]], None]


@dataclass(frozen=True, eq=False)
class DiagnosticContext:
    """The input of every check: the download and the options of the diagnosis.

    Attributes:
        listing: the sequences, cameras and zips in the download.
        lines: lines of a split, one per clip, to check for; empty if no split was given.
        mano: the folder of MANO's files, or None to use $HOIBENCH_MANO.
        cache: the cache folder, whose free space is checked.
        deep: run the costly checks (complete videos, hand poses, meshes, projections) on all sequences.
        sample: number of sequences for the costly checks if not ``deep``.
        on_progress: called with (stage, done, total) before each step.
        on_checked: called with each sampled sequence whose files could be read, and what the checks of it found.
    """

    listing: Listing
    lines: tuple[SplitLine, ...]
    mano: Path | None
    cache: Path
    deep: bool
    sample: int
    on_progress: ProgressCallback
    on_checked: CheckedCallback = lambda checked, findings: None

    @property
    def root(self) -> Path:
        """The folder of the download."""
        return self.listing.root

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Keys of the downloaded sequences of the split; of all downloaded sequences if the split has none of them."""
        existing = frozenset(self.listing.sequences)
        of_split = frozenset(line.entry.id for line in self.lines)
        return (existing & of_split) or existing

    @cached_property
    def sampled(self) -> tuple[TacoSequence, ...]:
        """The sequences for costly checks: all, or a sample of the ``wanted`` ones that is the same in every run."""
        if self.deep:
            return tuple(self.listing.sequences.values())
        shuffled = sorted(self.wanted, key=lambda key: hashlib.sha256(key.encode()).digest())
        return tuple(self.listing.sequences[key] for key in sorted(shuffled[: self.sample]))

    @cached_property
    def video_kinds(self) -> frozenset[VideoKind]:
        """Kinds of video that the split's clips use, ``raw`` or ``marker-removed``; raw if no split was given."""
        return frozenset(Recipe.parse(line.recipe).video for line in self.lines) or frozenset({"raw"})

    @cached_property
    def with_poses(self) -> tuple[TacoSequence, ...]:
        """The downloaded sequences that have a folder of object poses, sorted by key."""
        return tuple(self.listing.sequences[key] for key in sorted(self.listing.keys[POSES]))

    @cached_property
    def frame_counts(self) -> Mapping[str, int]:
        """Sequence key -> number of frames, from the header of the tool's poses; unreadable files, which the check ``poses`` reports, are skipped."""
        frames = {}
        for sequence in self.with_poses:
            try:
                frames[sequence.key] = count_pose_rows(sequence.find_object_pose("tool")[1])
            except (ValueError, OSError):
                continue
        return frames

    def iterate(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, calling ``on_progress`` with the name of the stage before each."""
        listed = list(items)
        for done, item in enumerate(listed):
            self.on_progress(stage, done, len(listed))
            yield item
