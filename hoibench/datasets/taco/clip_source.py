"""Sources of TACO clips: a download, whose clips are prepared when first loaded, or a folder of prepared clips."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hoibench.clip import Clip
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco import splits
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.hand.hand_models import HandModel, choose_hand_model, truth_kind
from hoibench.datasets.taco.prepare.format import (
    CONTENT_VERSION,
    has_tracks,
    has_view,
    is_prepared_folder,
    read_sequence_record,
    read_settings,
    view_folder,
)
from hoibench.datasets.taco.prepare.reader import read_prepared_clip
from hoibench.datasets.taco.prepare.split import prepare_line
from hoibench.datasets.taco.protocol import FRAMES, MODALITIES, Recipe
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.splits import Found, Missing, find_clip
from hoibench.progress import MessageCallback
from hoibench.store import sha256_json
from hoibench.store.cache_dir import cache_dir
from hoibench.video import probe

log = logging.getLogger(__name__)


class ClipSource(Protocol):
    """A source of TACO clips: a download, or a folder of prepared clips."""

    @property
    def truth(self) -> str:
        """The kind of truth of all clips: ``taco`` (MANO's hands), ``proxy-hand`` (a proxy replaces them) or ``synthetic``."""
        ...

    def find(self, line: SplitLine) -> Found | Missing:
        """Return ``Found`` if the clip that a split's line describes is available in this source, else ``Missing`` with the reason."""
        ...

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """Return (H, W) of the downloaded videos, before cropping, of the clip that a split's line describes; other clips have the same size.

        Raises:
            ValueError, OSError: the clip is damaged; try another line.
        """
        ...

    def lines_per_camera(self, line: SplitLine) -> Sequence[SplitLine]:
        """Return copies of a split's line, each with one camera, for all cameras that filmed its clip, not only for those of the split."""
        ...

    def load(self, line: SplitLine) -> Clip:
        """Load the clip that a split's line describes; raises the errors of ``TacoDataset.load``."""
        ...


def open_source(root: Path, on_message: MessageCallback | None = None) -> ClipSource:
    """Return the source of the clips at ``root``: a folder of prepared clips, or else a TACO download.

    If a download of real data needs MANO and $HOIBENCH_MANO is not set, a warning is logged and passed to ``on_message``.
    Raises the errors of ``TacoDataset.open``.
    """
    if is_prepared_folder(root):
        return PreparedClips(root)
    download = TacoDownload(root)
    model = choose_hand_model(download.hand_model)
    clips = DownloadedClips(download, model, prepared_folder(download, model), on_message)
    if clips.truth == "proxy-hand":
        log.warning(MANO_MISSING_WARNING)
        if on_message is not None:
            on_message(MANO_MISSING_WARNING)
    return clips


MANO_MISSING_WARNING = (
    "HOIBENCH_MANO is not set: a proxy replaces MANO's hands, and rows have truth=proxy-hand and are never ranked "
    "(docs/taco.md)"
)


def prepared_folder(download: TacoDownload, model: HandModel) -> Path:
    """Return the folder in the cache for clips that are prepared from a download; each pair of download and hand model has its own."""
    name, _, version = CONTENT_VERSION.rpartition("/")[2].partition("@")
    return cache_dir() / f"{name}@{version}-{sha256_json([str(download.root.resolve()), model.identity])[:12]}"


@dataclass(frozen=True)
class PreparedClips:
    """A source of clips: a folder written by ``hoibench data prepare``, read without the download."""

    folder: Path

    @property
    def truth(self) -> str:
        """The kind of truth in the folder's settings: ``taco``, ``proxy-hand`` or ``synthetic``."""
        return read_settings(self.folder).truth

    def find(self, line: SplitLine) -> Found | Missing:
        """Return ``Found`` if the folder has all views of the clip that a split's line describes, damaged or not, else ``Missing``."""
        recipe = Recipe.parse(line.recipe)
        folders = (view_folder(self.folder, line.entry.id, recipe, serial) for serial in line.entry.camera_ids)
        if not all(folder.is_dir() for folder in folders):
            return Missing(f"the clip was not prepared in {self.folder}")
        try:
            record = read_sequence_record(self.folder, line.entry.id)
        except (ValueError, FileNotFoundError):
            return Found(None, FRAMES)
        return Found(record.instances, record.valid_frames)

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """Return (H, W) of the downloaded videos that the folder was prepared from, as in its settings."""
        return read_settings(self.folder).native_size

    def lines_per_camera(self, line: SplitLine) -> Sequence[SplitLine]:
        """Return copies of a split's line, each with one camera, for all cameras whose view of the clip was prepared."""
        recipe = Recipe.parse(line.recipe)
        serials = (s for s in rig().cameras if view_folder(self.folder, line.entry.id, recipe, s).is_dir())
        return [replace(line, entry=replace(line.entry, camera_ids=(serial,)), source=None) for serial in serials]

    def has(self, line: SplitLine) -> bool:
        """Return True if the clip that a split's line describes was prepared; only loading it checks that it is intact."""
        key, recipe = line.entry.id, Recipe.parse(line.recipe)
        return has_tracks(self.folder, key) and all(
            has_view(self.folder, key, recipe, s) for s in line.entry.camera_ids
        )

    def load(self, line: SplitLine) -> Clip:
        """Load the clip that a split's line describes, without its source view (an input of video-to-video methods) if that was not prepared."""
        key, recipe = line.entry.id, Recipe.parse(line.recipe)
        source = line.source if line.source and has_view(self.folder, key, recipe, line.source) else None
        return read_prepared_clip(self.folder, key, recipe, line.entry.camera_ids, source)


@dataclass(frozen=True)
class DownloadedClips:
    """A source of clips: a TACO download, whose clips are prepared when first loaded.

    Attributes:
        download: the download.
        model: the hand model that turns its hand poses into surfaces.
        out: the folder for prepared clips.
        on_message: called with a message before a clip is prepared.
    """

    download: TacoDownload
    model: HandModel
    out: Path
    on_message: MessageCallback | None = None

    @property
    def truth(self) -> str:
        """The kind of truth: ``taco`` with MANO's hands, ``proxy-hand`` without, ``synthetic`` for a download that was generated."""
        return truth_kind(self.download.hand_model, self.model)

    def find(self, line: SplitLine) -> Found | Missing:
        """Return ``Found`` if the download has the files of the clip that a split's line describes, else ``Missing``; see ``find_clip``."""
        return find_clip(self.download, line)

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """Return (H, W) of the first video of the clip that a split's line describes, as downloaded."""
        modality = MODALITIES[Recipe.parse(line.recipe).video]
        info = probe(self.download.sequence(line.entry.id).video(line.entry.camera_ids[0], modality))
        return info.height, info.width

    def lines_per_camera(self, line: SplitLine) -> Sequence[SplitLine]:
        """Return copies of a split's line, each with one camera, for all cameras with a downloaded video of its clip."""
        return splits.lines_per_camera(self.download, line)

    def load(self, line: SplitLine) -> Clip:
        """Prepare the clip that a split's line describes if it is missing, check that it matches the download, and load it."""
        prepared = PreparedClips(self.out)
        if self.on_message is not None and not prepared.has(line):
            self.on_message(f"preparing {line.entry.id}")
        # Called even if the clip exists: the download may have changed since.
        result = prepare_line(self.download, line, self.out, self.model)
        for warning in result.warnings:
            log.warning("clip %s: %s", line.entry.id, warning)
        if result.source_view_error is not None:
            log.warning("clip %s has no source view: %s", line.entry.id, result.source_view_error)
        return prepared.load(line)
