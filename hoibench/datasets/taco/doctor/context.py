"""A download under context: what the checks share, each thing read once."""

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
from hoibench.datasets.taco.objects import pose_rows
from hoibench.datasets.taco.protocol import Recipe, Video
from hoibench.progress import ProgressCallback

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class DiagnosticContext:
    """What every check is given.

    Attributes:
        listing: the names in the tree.
        lines: the clips that are wanted of it; none where no split was named.
        mano: the folder of MANO's files, None for $HOIBENCH_MANO.
        cache: where prepared clips will go.
        deep: whether costly checks look at every sequence.
        sample: at how many they look otherwise.
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
        """The tree."""
        return self.listing.root

    @cached_property
    def wanted(self) -> frozenset[str]:
        """Keys of the clips that are wanted and there; of all sequences where no split was named."""
        there = frozenset(self.listing.sequences)
        named = frozenset(line.entry.id for line in self.lines)
        return (there & named) or there

    @cached_property
    def sampled(self) -> tuple[TacoSequence, ...]:
        """The sequences that costly checks look at: all of the tree, or some of the wanted ones, always the same."""
        if self.deep:
            return tuple(self.listing.sequences.values())
        shuffled = sorted(self.wanted, key=lambda key: hashlib.sha256(key.encode()).digest())
        return tuple(self.listing.sequences[key] for key in sorted(shuffled[: self.sample]))

    @cached_property
    def kinds(self) -> frozenset[Video]:
        """The kinds of video that are wanted; raw where no split was named."""
        return frozenset(Recipe.parse(line.recipe).video for line in self.lines) or frozenset({"raw"})

    @cached_property
    def posed(self) -> tuple[TacoSequence, ...]:
        """The sequences that have object poses."""
        return tuple(self.listing.sequences[key] for key in sorted(self.listing.there[POSES]))

    @cached_property
    def frames(self) -> Mapping[str, int]:
        """Key -> N, the rows of the tool's poses, read from the head of the file; without those that cannot be read, of which ``poses`` tells."""
        frames = {}
        for sequence in self.posed:
            try:
                frames[sequence.key] = pose_rows(sequence.object_pose("tool")[1])
            except (ValueError, OSError):
                continue
        return frames

    def each(self, what: str, items: Iterable[T]) -> Iterator[T]:
        """Yield the items, reporting progress before each."""
        known = list(items)
        for done, item in enumerate(known):
            self.on_progress(what, done, len(known))
            yield item
