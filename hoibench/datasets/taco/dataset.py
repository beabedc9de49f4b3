"""The data set ``taco``: clips prepared from a download when first loaded, or read from a folder of prepared clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from hoibench.clip import CLUSTERS, Clip, DataKind
from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset, Grid, Manifest
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.clip_source import ClipSource, DownloadedClips, PreparedClips, open_source
from hoibench.datasets.taco.prepare.format import CONTENT_VERSION
from hoibench.datasets.taco.protocol import FPS, FRAMES, POINTS, SIZE, Recipe
from hoibench.datasets.taco.splits import Found, find_part, lines_by_clip, part_names, select_clips, taco_splits
from hoibench.problems import Problem
from hoibench.progress import MessageCallback
from hoibench.store import sha256_json
from hoibench.store.atomic import find_folder_problem
from hoibench.text import count

PAD = "+pad"
"""Suffix of the name of a split that includes short recordings."""


class TacoDataset(Dataset):
    """TACO's clips, opened on a download or on a folder that ``hoibench data prepare`` wrote."""

    name: ClassVar[str] = "taco"
    kind: DataKind = "measured"
    default_split: ClassVar[str] = "test"
    grid = Grid(views=len(CLUSTERS), frames=FRAMES, size=SIZE, points=POINTS, fps=FPS)

    def __init__(self, source: ClipSource) -> None:
        self.source = source
        # Synthetic scenes in TACO's layout are read like TACO but never ranked with it.
        if source.truth == "synthetic":
            self.kind = "synthetic"

    @classmethod
    def open(cls, root: Path | None, on_message: MessageCallback | None = None) -> TacoDataset:
        """Open the data set on ``root``: a TACO download, whose clips are prepared into the cache, or a folder of prepared clips.

        Raises:
            FileNotFoundError: no root is given, it contains neither, or a file of MANO's is missing.
            ValueError: MANO's files or the settings of the prepared clips are damaged, or the download's hand model is unknown.
        """
        if root is None:
            raise FileNotFoundError(
                "--dataset taco needs --root: the folder with TACO's unpacked zips, or one written by hoibench data prepare"
            )
        return cls(open_source(root, on_message))

    def splits(self) -> tuple[str, ...]:
        """Return the names that ``manifest`` accepts: PART for the parts of taco-syncmv4d@2, NAME@VERSION/PART for those of other splits."""
        return part_names()

    def manifest(self, split: str) -> Manifest:
        """Return the available clips of a split; unavailable ones, and those with a recording shorter than a clip, are in ``left_out``."""
        return self._manifest(split, with_short=False)

    def padded_manifest(self, split: str) -> Manifest:
        """Return the available clips of a split, short recordings included; this manifest has a split name and id of its own."""
        manifest = self._manifest(split, with_short=True)
        return replace(manifest, split=manifest.split + PAD, split_id=sha256_json([manifest.split_id, PAD])[:12])

    def preflight(self, entries: Sequence[ClipEntry]) -> Iterable[Problem]:
        """Return a problem if clips of a download are to be prepared and the cache is not writable."""
        source = self.source
        if isinstance(source, DownloadedClips) and (reason := find_folder_problem(source.out)):
            prepared = PreparedClips(source.out)
            missing = sum(not prepared.has(self._line(entry)) for entry in entries)
            if missing:
                fix = f"{count(missing, 'clip')} to be prepared there: set HOIBENCH_CACHE to a writable folder"
                yield Problem(str(source.out), "", reason, "", fix)

    def load(self, entry: ClipEntry) -> Clip:
        """Load the clip of an entry of a manifest, preparing it first if necessary (about a minute).

        Raises:
            ValueError: no split has this clip, or a file of the sequence is damaged; names file, value and fix.
            FileNotFoundError: a file of the sequence is missing.
            OSError: the cache cannot be written; names HOIBENCH_CACHE.
        """
        return replace(self.source.load(self._line(entry)), tags=entry.tags)

    def camera_loaders(self, entry: ClipEntry) -> Iterator[tuple[str, Callable[[], Clip]]]:
        """Yield (camera serial, loader) for each downloaded (or prepared) camera of a clip; the loader returns the clip with this one view.

        Raises:
            ValueError: no split has this clip.
        """
        for line in self.source.lines_per_camera(self._line(entry)):
            (serial,) = line.entry.camera_ids
            yield serial, partial(self.source.load, line)

    def _line(self, entry: ClipEntry) -> SplitLine:
        for name in taco_splits():
            if (line := lines_by_clip(name).get((entry.id, entry.camera_ids, entry.variant))) is not None:
                return line
        raise ValueError(
            f"no split of TACO has clip {entry.id!r} with cameras {', '.join(entry.camera_ids)}: take entries from TacoDataset.manifest"
        )

    def _manifest(self, split: str, *, with_short: bool) -> Manifest:
        splits, part = find_part(split)
        selection = select_clips(splits.lines(part), self.source.find, with_short=with_short)
        return replace(
            splits.manifest(part),
            entries=tuple(_entry(line, found) for line, found in selection.found),
            truth_id=self._truth_id(line for line, _ in selection.found),
            left_out=selection.left_out,
            notes=tuple(f"{name}={meaning}" for name, meaning in splits.release.recipe.items()),
        )

    def _truth_id(self, lines: Iterable[SplitLine]) -> str:
        """Return the version of the truth: content version, kind of truth and size of the downloaded videos (copies of TACO are resized)."""
        size = next(self._native_sizes(lines), None)
        return f"{CONTENT_VERSION} {self.source.truth} {f'{size[1]}x{size[0]}' if size else 'of unknown size'}"

    def _native_sizes(self, lines: Iterable[SplitLine]) -> Iterator[tuple[int, int]]:
        """Yield the (H, W) of the downloaded videos of each line's clip, without unreadable clips, which raise an error when they are loaded."""
        for line in lines:
            with suppress(ValueError, OSError):
                yield self.source.native_size(line)


def _entry(line: SplitLine, found: Found) -> ClipEntry:
    """Return the manifest entry of a line: its clip with object ids and number of recorded frames as found, and the recipe's name as variant."""
    return replace(
        line.entry,
        instances=found.instances,
        valid_frames=found.valid_frames if found.is_short else None,
        variant=Recipe.parse(line.recipe).name,
    )
