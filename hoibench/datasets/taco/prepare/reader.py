"""Reader of prepared clips, which does not need the download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip, Tracks, View
from hoibench.datasets.taco.clip import MediaLoaders, build_clip, build_view, sort_by_cluster
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
from hoibench.datasets.taco.prepare.objects import object_loader
from hoibench.datasets.taco.protocol import FPS, FRAMES, POINTS, SIZE, Recipe
from hoibench.store import read_npz
from hoibench.store.verified_folder import read_metadata
from hoibench.video import decode


def read_prepared_clip(out: Path, key: str, recipe: Recipe, serials: Sequence[str], source: str | None = None) -> Clip:
    """Read a prepared clip, checking every file once; videos, masks, meshes and poses are read when first used.

    Args:
        out: the folder of prepared clips.
        key: YYYYMMDD_NNN, the id of the sequence.
        recipe: crop rule and kind of video of its views.
        serials: serials of the scored cameras; the clip has them in the order left, center, right.
        source: serial of another camera, whose video is an input of video-to-video methods, or None.

    Raises:
        FileNotFoundError: the clip or a view was not prepared; names the folder.
        CorruptFolder: a file is damaged; names it.
        ValueError: the folder's settings are damaged or of another version, or a folder was moved there from elsewhere.
    """
    record = read_metadata(tracks_folder(out, key), SequenceRecord, check="contents")
    settings = read_settings(out)
    expected = key, settings.truth, settings.hand_model
    _check_location(tracks_folder(out, key), (record.key, record.truth, record.hand_model), expected)
    folders = [view_folder(out, key, recipe, serial) for serial in sort_by_cluster(serials)]
    source_folders = [] if source is None else [view_folder(out, key, recipe, source)]
    views, source_views = ([_read_view(folder, record) for folder in group] for group in (folders, source_folders))
    return build_clip(
        key,
        record.triplet,
        record.instances,
        views,
        source_views,
        _read_tracks(tracks_folder(out, key), folders),
        MediaLoaders(
            lambda: np.stack([decode(folder / VIDEO) for folder in folders]),
            lambda: tuple(decode(folder / VIDEO) for folder in source_folders),
            lambda: np.stack([_unpack(folder, "mask", SIZE[1]) for folder in folders]),
            object_loader(out, record),
        ),
        fps=FPS,
        size=SIZE,
        truth=record.truth,
        valid_frames=None if record.valid_frames == FRAMES else record.valid_frames,
    )


def _check_location(folder: Path, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raise ValueError if a folder was moved there from elsewhere, i.e. what its record says (``found``) differs from ``expected``."""
    if found != expected:
        raise ValueError(
            f"{folder} belongs to {', '.join(found)}, expected {', '.join(expected)}: delete it, and run hoibench data prepare"
        )


def _read_view(folder: Path, sequence: SequenceRecord) -> View:
    record = read_metadata(folder, ViewRecord, check="contents")
    found = (record.serial, record.recipe, f"annotations {record.sequence_digest[:12]}")
    expected = (folder.name, folder.parent.name, f"annotations {sequence.content_digest[:12]}")
    _check_location(folder, found, expected)
    return build_view(folder.name, record.camera.to_camera(), decode(folder / VIDEO, [0])[0])


def _read_tracks(folder: Path, views: Sequence[Path]) -> Tracks:
    arrays = read_npz(folder / TRACKS)
    visible, depth_edge = (
        np.stack([_unpack(view, name, POINTS) for view in views]) for name in ("visible", "depth_edge")
    )
    recorded = arrays["recorded"]
    return Tracks(arrays["world"], visible, arrays["part"], None if recorded.all() else recorded, depth_edge)


def _unpack(folder: Path, name: str, length: int) -> Array:
    """Read a bool array, ``mask``, ``visible`` or ``depth_edge``, from a view's folder; its last axis, of ``length``, is packed into bits there."""
    return np.unpackbits(read_npz(folder / VIEW)[name], axis=-1, count=length).astype(bool)
