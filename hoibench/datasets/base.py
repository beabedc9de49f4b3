"""The interface of a data set: splits list clips, and ``Dataset.load`` loads them."""

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
from hoibench.progress import MessageCallback
from hoibench.store import sha256_json

T = TypeVar("T")

_SHUFFLE_SEED = 20260101


@dataclass(frozen=True)
class Manifest:
    """The clips of one split.

    Attributes:
        split: ``name@version/part``, e.g. ``synthetic@1/demo``.
        split_id: first 12 hex digits of the hash of the released file.
        entries: the clips, sorted by id.
        truth_id: the version of the truth: the declared version of generated data, or the preparation settings of recorded data.
        left_out: id -> reason, of clips of the released split that are missing from ``entries``.
        notes: sentences about the clips that the leaderboard shows.
    """

    split: str
    split_id: str
    entries: tuple[ClipEntry, ...]
    truth_id: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def exclusion_summary(self) -> tuple[str, ...]:
        """``COUNT: REASON`` for each reason why clips were left out, most frequent first."""
        return tuple(f"{count}: {reason}" for reason, count in Counter(self.left_out.values()).most_common())


def clip_set_id(entries: tuple[ClipEntry, ...], truth_id: str = "") -> str:
    """Return 12 hex digits that identify a set of clips: the clips' ids, cameras and start frames, in any order, and the version of their truth."""
    clips = sorted(_identity(entry) for entry in entries)
    return sha256_json([truth_id, clips] if truth_id else clips)[:12]


def _identity(entry: ClipEntry) -> list[Any]:
    also = {"valid_frames": entry.valid_frames, "variant": entry.variant or None}
    return [entry.id, list(entry.camera_ids), entry.start, *([name, value] for name, value in also.items() if value)]


def sample_clips(clips: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """Return the first ``limit`` clips of a fixed shuffle, in their original order; all clips if ``limit`` is None.

    The shuffle never changes, so runs with the same ``--limit`` are comparable.

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
    """The shape of a data set's clips: V views, N frames, (H, W) pixels, K tracked points."""

    views: int
    frames: int
    size: tuple[int, int]
    points: int


class Dataset(ABC):
    """A data set, opened on a root folder, or on the cache if its clips are generated.

    Class attributes:
        name: the value of ``--dataset``.
        kind: ``measured`` or ``synthetic``; the two are never ranked together.
        default_split: the split without ``--split``.
        has_truth: True if clips have true video, tracks and cameras, from which reference rows are computed.
        grid: the shape of the clips; None if it varies or is unknown before clips are read.
    """

    name: ClassVar[str]
    kind: DataKind
    default_split: ClassVar[str]
    has_truth: ClassVar[bool] = True
    grid: Grid | None = None

    @classmethod
    @abstractmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> Dataset:
        """Open the data set at ``root``.

        Raises:
            FileNotFoundError: the root or a file in it is missing; names the file and its expected content.
            ValueError: the root does not contain this data set.
        """

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Return the names that ``manifest`` accepts."""

    @abstractmethod
    def manifest(self, split: str) -> Manifest:
        """Return the clips of a split.

        Raises:
            UnknownName: the split does not exist; suggests the nearest names.
        """

    def padded_manifest(self, split: str) -> Manifest:
        """Return the clips of a split, including those with a recording shorter than a clip, which ``manifest`` leaves out.

        Raises:
            UnknownName: the split does not exist; suggests the nearest names.
            ValueError: the data set has no short recordings.
        """
        raise ValueError(f"{self.name} has no short sequences: leave out --short pad")

    def camera_loaders(self, entry: ClipEntry) -> Iterable[tuple[str, Callable[[], Clip]]]:
        """Yield (camera id, loader) for every camera that recorded a clip, including cameras outside the split.

        Each loader returns the clip with this one view and raises the errors of ``load``, so that one damaged video does not affect other cameras.

        Raises:
            ValueError: the data set has no cameras outside its splits.
        """
        raise ValueError(f"{self.name} has no cameras outside its splits: leave out --cameras all")

    @abstractmethod
    def load(self, entry: ClipEntry) -> Clip:
        """Load a clip; its video and masks are decoded on first use.

        Raises:
            FileNotFoundError, ValueError: a file of the clip is missing or damaged; names the file, the value and the fix.
        """

    def published(self) -> Mapping[str, str]:
        """Return id -> full name of the methods whose outputs are part of the data set."""
        return {}

    def published_digest(self, method: str) -> str:
        """Return a digest of a published method's files, which changes with them."""
        raise KeyError(f"{self.name} has no outputs of {method}")

    def published_prediction(self, method: str, entry: ClipEntry) -> Prediction:
        """Return the output of a ``published`` method on a clip."""
        raise KeyError(f"{self.name} has no outputs of {method} for {entry.id}")
