"""What the evaluation asks of a data set: manifests of clips, and the clips."""

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
    """The clips of one split, in sorted order.

    Attributes:
        split: ``name@version/part``, e.g. ``synthetic@1/demo``.
        split_id: first 12 hex digits of the manifest's hash.
        entries: the clips.
        truth_id: what decides the truth beyond the entries: the data's declared version where clips are generated, how they were prepared where
            they are recorded.
        left_out: clips of the released split that are not among the entries, each with the reason.
        notes: sentences on how the clips were made, which readers of a board must know.
    """

    split: str
    split_id: str
    entries: tuple[ClipEntry, ...]
    truth_id: str = ""
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def exclusion_summary(self) -> tuple[str, ...]:
        """``N: reason`` for each reason why clips were left out, the commonest first."""
        return tuple(f"{count}: {reason}" for reason, count in Counter(self.left_out.values()).most_common())


def clip_set_id(entries: tuple[ClipEntry, ...], truth_id: str = "") -> str:
    """Return 12 hex digits that identify a set of clips: the clips' ids, cameras and start frames, in any order, and how their truth was made."""
    clips = sorted(_scored(entry) for entry in entries)
    return sha256_json([truth_id, clips] if truth_id else clips)[:12]


def _scored(entry: ClipEntry) -> list[Any]:
    also = {"valid_frames": entry.valid_frames, "variant": entry.variant or None}
    return [entry.id, list(entry.camera_ids), entry.start, *([name, value] for name, value in also.items() if value)]


def sample_clips(clips: Sequence[T], limit: int | None) -> tuple[T, ...]:
    """The first ``limit`` of the clips in a fixed shuffle, in the order given; all where there is no limit."""
    if limit is None or limit >= len(clips):
        return tuple(clips)
    order = list(range(len(clips)))
    random.Random(_SHUFFLE_SEED).shuffle(order)  # noqa: S311  (a fixed order, not a secret)
    return tuple(clips[i] for i in sorted(order[:limit]))


@dataclass(frozen=True)
class Grid:
    """The grid that a data set's clips lie on: V views, N frames, (H, W) pixels, K tracked points."""

    views: int
    frames: int
    size: tuple[int, int]
    points: int


class Dataset(ABC):
    """A data set, opened on a root folder (or a cache, where it is generated).

    Class attributes:
        name: the word behind ``--dataset``.
        kind: ``measured`` or ``synthetic``; the two never share a board.
        default_split: used when no ``--split`` is given.
        has_truth: whether its clips have true video, tracks and cameras, from which reference rows are made.
        grid: the grid of its clips, or None where they differ or are not known before they are read.
    """

    name: ClassVar[str]
    kind: DataKind
    default_split: ClassVar[str]
    has_truth: ClassVar[bool] = True
    grid: Grid | None = None

    @classmethod
    @abstractmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> Dataset:
        """The data set at ``root``.

        Raises:
            FileNotFoundError: the root or a file in it is missing; names it and says what belongs there.
            ValueError: what is there is not this data set.
        """

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Names that ``manifest`` takes."""

    @abstractmethod
    def manifest(self, split: str) -> Manifest:
        """The clips of a split.

        Raises:
            UnknownName: there is no such split; gives the nearest names.
        """

    def padded_manifest(self, split: str) -> Manifest:
        """The clips of a split with those whose recording is shorter than a clip, which ``manifest`` leaves out.

        Raises:
            UnknownName: there is no such split; gives the nearest names.
            ValueError: the data set has no short recordings.
        """
        raise ValueError(f"{self.name} has no short sequences: --short pad is for data sets that do")

    def camera_loaders(self, entry: ClipEntry) -> Iterable[tuple[str, Callable[[], Clip]]]:
        """Every camera that filmed a clip of a split, not the split's alone: its serial, and what loads the clip with this one view.

        A camera is loaded by itself, so that a broken one costs no other; loading raises as ``load``.

        Raises:
            ValueError: the data set's clips have no cameras but the split's.
        """
        raise ValueError(f"--cameras all: clips of {self.name} have no cameras but the split's; leave it out")

    @abstractmethod
    def load(self, entry: ClipEntry) -> Clip:
        """The clip, its video and masks decoded only when first used.

        Raises:
            FileNotFoundError, ValueError: the clip's files are missing or broken; names the file, the value and the fix.
        """

    def published(self) -> Mapping[str, str]:
        """Methods whose outputs are part of the data set (videos only): id -> full name."""
        return {}

    def published_digest(self, method: str) -> str:
        """A digest of a published method's files, so that a run notices when they change."""
        raise KeyError(f"{self.name} holds no outputs of {method}")

    def published_prediction(self, method: str, entry: ClipEntry) -> Prediction:
        """The data set's own output of one of its ``published`` methods on a clip."""
        raise KeyError(f"{self.name} holds no outputs of {method} for {entry.id}")
