"""The interface ``Dataset``, and the ``Manifest`` that lists the clips of one of its splits."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hoibench.clip import Clip, DataKind, Prediction
from hoibench.clip_entry import ClipEntry
from hoibench.problems import Problem
from hoibench.progress import MessageCallback
from hoibench.store import sha256_json

T = TypeVar("T")

_SHUFFLE_SEED = 20260101


@dataclass(frozen=True)
class Manifest:
    """The list of the clips in one part of a split, e.g. ``synthetic@2/demo``.

    Attributes:
        split: ``name@version/part``, e.g. ``synthetic@2/demo``.
        split_id: first 12 hex digits of the hash of the file that lists the clips.
        entries: the clips, sorted by id.
        truth_id: identifies the version of the truth: the declared version of generated data, or the preparation settings of recorded data.
        left_out: clip id -> reason, of clips of the released split that are missing from ``entries``.
        notes: sentences about the clips, which the leaderboard shows.
    """

    split: str
    split_id: str
    entries: tuple[ClipEntry, ...]
    truth_id: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def exclusion_summary(self) -> tuple[str, ...]:
        """A text ``COUNT: REASON`` for each reason why clips of the split were left out, most frequent first."""
        return tuple(f"{count}: {reason}" for reason, count in Counter(self.left_out.values()).most_common())


def clip_set_id(entries: tuple[ClipEntry, ...], truth_id: str = "") -> str:
    """Return 12 hex digits that identify a set of clips in any order: by the ids, cameras, frames and variants, and the version of the truth."""
    clips = sorted(_identity(entry) for entry in entries)
    return sha256_json([truth_id, clips] if truth_id else clips)[:12]


def _identity(entry: ClipEntry) -> list[Any]:
    also = {"valid_frames": entry.valid_frames, "variant": entry.variant or None}
    return [entry.id, list(entry.camera_ids), entry.start, *([name, value] for name, value in also.items() if value)]


def sample_clips(clips: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """Return a sample of ``limit`` clips in their original order, or all clips if ``limit`` is None.

    The sample is the start of a shuffle with a fixed seed, so runs with the same ``--limit`` use the same clips.

    >>> sample_clips("abcdefghij", 4)
    ('b', 'c', 'd', 'h')
    """
    if limit is None or limit >= len(clips):
        return tuple(clips)
    order = list(range(len(clips)))
    random.Random(_SHUFFLE_SEED).shuffle(order)  # noqa: S311  (a fixed order, not a secret)
    return tuple(clips[i] for i in sorted(order[:limit]))


@dataclass(frozen=True)
class Grid:
    """The shape of a data set's clips: V views, N frames, (H, W) pixels, K tracked points, and the frames per second if it says so."""

    views: int
    frames: int
    size: tuple[int, int]
    points: int
    fps: float | None = None


class Dataset(ABC):
    """A data set in a root folder, or in hoibench's cache if its clips are generated.

    Class attributes:
        name: the value of ``--dataset`` that selects it.
        kind: ``measured`` or ``synthetic``; results on the two kinds are never ranked together.
        default_split: the split that is used without ``--split``.
        has_truth: True if clips have true video, tracks and cameras.
        grid: the common shape of the clips; None if it varies or is unknown before clips are read.
    """

    name: ClassVar[str]
    kind: DataKind
    default_split: ClassVar[str]
    has_truth: ClassVar[bool] = True
    grid: Grid | None = None

    @classmethod
    @abstractmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> Dataset:
        """Open the data set in the folder ``root``; None means its default folder, if it has one.

        Args:
            root: the value of ``--root``.
            on_message: callback for messages about slow steps.

        Raises:
            FileNotFoundError: the root or a file in it is missing; names the file and its expected content.
            ValueError: the root does not contain this data set.
        """

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits, which ``manifest`` accepts."""

    @abstractmethod
    def manifest(self, split: str) -> Manifest:
        """Return the list of the clips in a split.

        Raises:
            UnknownName: the split does not exist; suggests the nearest names.
        """

    def padded_manifest(self, split: str) -> Manifest:
        """Return the list of the clips in a split, including those with a recording shorter than a clip, which ``manifest`` leaves out.

        Raises:
            UnknownName: the split does not exist; suggests the nearest names.
            ValueError: the data set has no short recordings.
        """
        raise ValueError(f"{self.name} has no short sequences: leave out --short pad")

    def camera_loaders(self, entry: ClipEntry) -> Iterable[tuple[str, Callable[[], Clip]]]:
        """Yield (camera id, function that loads the clip) for every camera that recorded a clip, including cameras outside the split.

        Each function returns the clip with this one view and raises the errors of ``load``, so that one damaged video does not affect other cameras.

        Raises:
            ValueError: the data set has no cameras outside its splits.
        """
        raise ValueError(f"{self.name} has no cameras outside its splits: leave out --cameras all")

    def preflight(self, entries: Sequence[ClipEntry]) -> Iterable[Problem]:
        """Return the problems that would keep clips from loading, such as a missing file; called before a run starts, quick, changes nothing."""
        return ()

    def clips_to_generate(self, entries: Sequence[ClipEntry]) -> tuple[ClipEntry, ...]:
        """Return the clips that ``ensure`` would generate; none, unless the data set generates its clips on first use."""
        return ()

    def ensure(self, entry: ClipEntry) -> None:  # noqa: B027  (optional)
        """Generate the files of a clip that ``clips_to_generate`` returns, so that ``load`` is quick; raises the errors of ``load``."""

    @abstractmethod
    def load(self, entry: ClipEntry) -> Clip:
        """Load the clip of a manifest's entry; its video and masks are decoded on first use.

        Raises:
            FileNotFoundError, ValueError: a file of the clip is missing or damaged; names the file, the value and the fix.
        """

    def published(self) -> Mapping[str, str]:
        """Return id -> full name of the published methods, i.e. those with outputs that are part of the data set; empty by default."""
        return {}

    def published_digest(self, method: str) -> str:
        """Return a digest of the output files of a published method (one in ``published``), which changes if a file changes."""
        raise KeyError(f"{self.name} has no outputs of {method}")

    def published_prediction(self, method: str, entry: ClipEntry) -> Prediction:
        """Return the output of a published method (one in ``published``) for a clip."""
        raise KeyError(f"{self.name} has no outputs of {method} for {entry.id}")
