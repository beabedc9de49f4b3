"""Where TACO's clips come from: a download, whose clips are prepared when first loaded, or a folder of prepared clips."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from hoibench.clip import Clip
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import TacoDownload
from hoibench.datasets.taco.hand.hand_models import HandModel, choose_hand_model, truth_kind
from hoibench.datasets.taco.prepare.format import (
    CONTENT,
    has_tracks,
    has_view,
    is_prepared_folder,
    read_sequence_record,
    read_settings,
    view_folder,
)
from hoibench.datasets.taco.prepare.reader import read_prepared
from hoibench.datasets.taco.prepare.split import prepare_line
from hoibench.datasets.taco.protocol import FRAMES, MODALITIES, Recipe
from hoibench.datasets.taco.rig import rig
from hoibench.datasets.taco.splits import Found, Missing, camera_by_camera, find_clip
from hoibench.progress import MessageCallback
from hoibench.store import sha256_json
from hoibench.store.cache_dir import cache_dir
from hoibench.video import probe

log = logging.getLogger(__name__)


class ClipSource(Protocol):
    """What a data set of TACO is opened on."""

    @property
    def truth(self) -> str:
        """``taco``, ``proxy-hand`` or ``synthetic``."""
        ...

    def find(self, line: SplitLine) -> Found | Missing:
        """Whether a split's clip can be had here."""
        ...

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """(H, W) of the videos that a clip that can be had, and hence every clip, is made of.

        Raises:
            ValueError, OSError: the clip is broken: ask of another.
        """
        ...

    def camera_loaders(self, line: SplitLine) -> Sequence[SplitLine]:
        """The line with one camera, for each that filmed the clip, whatever cameras the split names."""
        ...

    def load(self, line: SplitLine) -> Clip:
        """The clip; raises as ``TacoDataset.load``."""
        ...


def open_source(root: Path, on_message: MessageCallback | None = None) -> ClipSource:
    """The prepared clips at ``root``, or the download there; raises as ``TacoDataset.open``."""
    if is_prepared_folder(root):
        return PreparedClips(root)
    tree = TacoDownload(root)
    model = choose_hand_model(tree.hand_model)
    download = DownloadedClips(tree, model, prepared_folder(tree, model), on_message)
    if download.truth == "proxy-hand":
        log.warning(MANO_MISSING_WARNING)
        if on_message is not None:
            on_message(MANO_MISSING_WARNING)
    return download


MANO_MISSING_WARNING = (
    "HOIBENCH_MANO is not set, so a proxy takes the place of MANO's hands: rows say truth=proxy-hand and are never ranked "
    "(docs/taco.md)"
)


def prepared_folder(tree: TacoDownload, model: HandModel) -> Path:
    """Where in the cache the clips of a download go: each tree and hand model has its own folder."""
    name, _, version = CONTENT.rpartition("/")[2].partition("@")
    return cache_dir() / f"{name}@{version}-{sha256_json([str(tree.root.resolve()), model.identity])[:12]}"


@dataclass(frozen=True)
class PreparedClips:
    """A folder that ``hoibench data prepare`` wrote, read without the download."""

    out: Path

    @property
    def truth(self) -> str:
        """See ``ClipSource``."""
        return read_settings(self.out).truth

    def find(self, line: SplitLine) -> Found | Missing:
        """See ``ClipSource``; a damaged clip is no absent one: loading it says what is wrong."""
        recipe = Recipe.parse(line.recipe)
        folders = (view_folder(self.out, line.entry.id, recipe, serial) for serial in line.entry.camera_ids)
        if not all(folder.is_dir() for folder in folders):
            return Missing(f"the clip was not prepared in {self.out}")
        try:
            record = read_sequence_record(self.out, line.entry.id)
        except (ValueError, FileNotFoundError):
            return Found(None, FRAMES)
        return Found(record.instances, record.valid_frames)

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """See ``ClipSource``."""
        return read_settings(self.out).native_size

    def camera_loaders(self, line: SplitLine) -> Sequence[SplitLine]:
        """See ``ClipSource``; of the cameras that the clip was prepared for."""
        recipe = Recipe.parse(line.recipe)
        serials = (s for s in rig().cameras if view_folder(self.out, line.entry.id, recipe, s).is_dir())
        return [replace(line, entry=replace(line.entry, camera_ids=(serial,)), source=None) for serial in serials]

    def has(self, line: SplitLine) -> bool:
        """Whether the clip is there: whether it is whole is found on reading it."""
        key, recipe = line.entry.id, Recipe.parse(line.recipe)
        return has_tracks(self.out, key) and all(has_view(self.out, key, recipe, s) for s in line.entry.camera_ids)

    def load(self, line: SplitLine) -> Clip:
        """See ``ClipSource``; without a source view where that was not prepared, which only video-to-video methods miss."""
        key, recipe = line.entry.id, Recipe.parse(line.recipe)
        source = line.source if line.source and has_view(self.out, key, recipe, line.source) else None
        return read_prepared(self.out, key, recipe, line.entry.camera_ids, source)


@dataclass(frozen=True)
class DownloadedClips:
    """A tree in TACO's layout, whose clips are prepared into ``out`` when first loaded."""

    tree: TacoDownload
    model: HandModel
    out: Path
    on_message: MessageCallback | None = None

    @property
    def truth(self) -> str:
        """See ``ClipSource``."""
        return truth_kind(self.tree.hand_model, self.model)

    def find(self, line: SplitLine) -> Found | Missing:
        """See ``ClipSource``."""
        return find_clip(self.tree, line)

    def native_size(self, line: SplitLine) -> tuple[int, int]:
        """See ``ClipSource``; asked of the clip's first video."""
        modality = MODALITIES[Recipe.parse(line.recipe).video]
        info = probe(self.tree.sequence(line.entry.id).video(line.entry.camera_ids[0], modality))
        return info.height, info.width

    def camera_loaders(self, line: SplitLine) -> Sequence[SplitLine]:
        """See ``ClipSource``."""
        return camera_by_camera(self.tree, line)

    def load(self, line: SplitLine) -> Clip:
        """See ``ClipSource``."""
        prepared = PreparedClips(self.out)
        if self.on_message is not None and not prepared.has(line):
            self.on_message(f"preparing {line.entry.id}")
        # Asked even where all is there: the download may have changed since.
        lacking = prepare_line(self.tree, line, self.out, self.model).source_view_error
        if lacking is not None:
            log.warning("clip %s has no source view: %s", line.entry.id, lacking)
        return prepared.load(line)
