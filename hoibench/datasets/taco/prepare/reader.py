"""A clip read from a folder of prepared ones, without the download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip, Tracks, View
from hoibench.datasets.taco.clip import LazyMedia, build_clip, left_to_right, view_of
from hoibench.datasets.taco.prepare.format import (
    TRACKS,
    VIDEO,
    VIEW,
    SequenceRecord,
    ViewRecord,
    read_settings,
    tracks_folder,
    view_folder,
)
from hoibench.datasets.taco.protocol import FPS, FRAMES, POINTS, SIZE, Recipe
from hoibench.store import read_npz
from hoibench.store.verified_folder import is_intact, read_metadata
from hoibench.video import decode


def is_prepared(out: Path, key: str, recipe: Recipe, serials: Sequence[str]) -> bool:
    """Whether a sequence's tracks and these views of it are there and intact: all their files are read."""
    views = (view_folder(out, key, recipe, serial) for serial in serials)
    return is_intact(tracks_folder(out, key), SequenceRecord) and all(is_intact(view, ViewRecord) for view in views)


def read_prepared(
    out: Path, key: str, recipe: Recipe, serials: Sequence[str], source: str | None = None, tags: tuple[str, ...] = ()
) -> Clip:
    """A prepared clip, every file of it checked once; its videos and masks are decoded when first used.

    Args:
        out: the folder of prepared clips.
        key: YYYYMMDD_NNN.
        recipe: how the clip was made.
        serials: the cameras scored; their order is left, center, right whatever the order given.
        source: a camera outside them that video-to-video methods may see.
        tags: why the clip is in its split.

    Raises:
        FileNotFoundError: the clip or a view of it was not prepared; names the folder.
        CorruptFolder: a file is damaged; names it.
        ValueError: the folder's record is of another version, or damaged.
    """
    record = read_metadata(tracks_folder(out, key), SequenceRecord, check="contents")
    _check_place(tracks_folder(out, key), (record.key, record.truth, record.hand_model), _here(out, key))
    folders = [view_folder(out, key, recipe, serial) for serial in left_to_right(serials)]
    source_folders = [] if source is None else [view_folder(out, key, recipe, source)]
    views, source_views = ([_read_view(folder, record) for folder in some] for some in (folders, source_folders))
    return build_clip(
        key,
        record.triplet,
        record.instances,
        views,
        source_views,
        _read_tracks(tracks_folder(out, key), folders),
        LazyMedia(
            lambda: np.stack([decode(folder / VIDEO) for folder in folders]),
            lambda: tuple(decode(folder / VIDEO) for folder in source_folders),
            lambda: np.stack([_unpack(folder, "mask", SIZE[1]) for folder in folders]),
        ),
        fps=FPS,
        size=SIZE,
        truth=record.truth,
        tags=tags,
        valid_frames=None if record.valid_frames == FRAMES else record.valid_frames,
    )


def _here(out: Path, key: str) -> tuple[str, str, str]:
    settings = read_settings(out)
    return key, settings.truth, settings.hand_model


def _check_place(folder: Path, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Raise ValueError where a folder was brought here from another place."""
    if found != wanted:
        raise ValueError(
            f"{folder} is of {', '.join(found)}, but lies where {', '.join(wanted)} belongs: delete it, and run hoibench data prepare"
        )


def _read_view(folder: Path, sequence: SequenceRecord) -> View:
    record = read_metadata(folder, ViewRecord, check="contents")
    found = (record.serial, record.recipe, f"annotations {record.annotations[:12]}")
    wanted = (folder.name, folder.parent.name, f"annotations {sequence.annotations[:12]}")
    _check_place(folder, found, wanted)
    return view_of(folder.name, record.camera.camera(), decode(folder / VIDEO, [0])[0])


def _read_tracks(folder: Path, views: Sequence[Path]) -> Tracks:
    arrays = read_npz(folder / TRACKS)
    visible = np.stack([_unpack(view, "visible", POINTS) for view in views])
    recorded = arrays["recorded"]
    return Tracks(arrays["world"], visible, arrays["part"], None if recorded.all() else recorded)


def _unpack(folder: Path, name: str, length: int) -> Array:
    """A bool array whose last axis, of ``length``, is packed eight to a byte."""
    return np.unpackbits(read_npz(folder / VIEW)[name], axis=-1, count=length).astype(bool)
