"""A clip read from a folder of prepared ones, without the download."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hoibench.clip import Array, Clip, Tracks, View
from hoibench.datasets.taco.assembly import Pictures, assemble, left_to_right, view_of
from hoibench.datasets.taco.prepare.origin import read_origin
from hoibench.datasets.taco.prepare.prepared_facts import (
    SequenceFacts,
    sequence_facts,
    view_facts,
)
from hoibench.datasets.taco.prepare.prepared_folder import TRACKS, VIDEO, VIEW, tracks_folder, view_folder
from hoibench.datasets.taco.prepare.sealed import is_sealed, read_sealed
from hoibench.datasets.taco.protocol import FPS, FRAMES, POINTS, SIZE, Recipe
from hoibench.store import read_npz
from hoibench.video import decode


def is_prepared(out: Path, key: str, recipe: Recipe, serials: Sequence[str]) -> bool:
    """Whether a sequence's tracks and these views of it are there and whole: all their files are read."""
    folders = [tracks_folder(out, key), *(view_folder(out, key, recipe, serial) for serial in serials)]
    return all(is_sealed(folder) for folder in folders)


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
        Damaged: a file is damaged; names it.
        ValueError: the folder's record is of another version, or damaged.
    """
    facts = sequence_facts(read_sealed(tracks_folder(out, key)))
    _check_place(tracks_folder(out, key), (facts.key, facts.truth, facts.hand_model), _here(out, key))
    folders = [view_folder(out, key, recipe, serial) for serial in left_to_right(serials)]
    source_folders = [] if source is None else [view_folder(out, key, recipe, source)]
    views, source_views = ([_read_view(folder, facts) for folder in some] for some in (folders, source_folders))
    return assemble(
        key,
        facts.triplet,
        facts.instances,
        views,
        source_views,
        _read_tracks(tracks_folder(out, key), folders),
        Pictures(
            lambda: np.stack([decode(folder / VIDEO) for folder in folders]),
            lambda: tuple(decode(folder / VIDEO) for folder in source_folders),
            lambda: np.stack([_unpack(folder, "mask", SIZE[1]) for folder in folders]),
        ),
        fps=FPS,
        size=SIZE,
        truth=facts.truth,
        tags=tags,
        valid_frames=None if facts.valid_frames == FRAMES else facts.valid_frames,
    )


def _here(out: Path, key: str) -> tuple[str, str, str]:
    origin = read_origin(out)
    return key, origin.truth, origin.hand_model


def _check_place(folder: Path, found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """Raise ValueError where a folder was brought here from another place."""
    if found != wanted:
        raise ValueError(
            f"{folder} is of {', '.join(found)}, but lies where {', '.join(wanted)} belongs: delete it, and run hoibench data prepare"
        )


def _read_view(folder: Path, sequence: SequenceFacts) -> View:
    facts = view_facts(read_sealed(folder))
    found = (facts.serial, facts.recipe, f"annotations {facts.annotations[:12]}")
    wanted = (folder.name, folder.parent.name, f"annotations {sequence.annotations[:12]}")
    _check_place(folder, found, wanted)
    return view_of(folder.name, facts.camera, decode(folder / VIDEO, [0])[0])


def _read_tracks(folder: Path, views: Sequence[Path]) -> Tracks:
    arrays = read_npz(folder / TRACKS)
    visible = np.stack([_unpack(view, "visible", POINTS) for view in views])
    recorded = arrays["recorded"]
    return Tracks(arrays["world"], visible, arrays["part"], None if recorded.all() else recorded)


def _unpack(folder: Path, name: str, length: int) -> Array:
    """A bool array whose last axis, of ``length``, is packed eight to a byte."""
    return np.unpackbits(read_npz(folder / VIEW)[name], axis=-1, count=length).astype(bool)
