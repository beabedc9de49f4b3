"""The listing of a TACO download: its sequences, cameras and zips, from the names of folders and files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import RootModel

from hoibench.datasets.taco.doctor.report import Inventory
from hoibench.datasets.taco.download import (
    KEY,
    MARKER_REMOVED,
    MODELS,
    RGB,
    TacoSequence,
    iter_sequences,
    modality_folders,
    parse_triplet,
)
from hoibench.store.records import Record, read_toml


class Modality(Record):
    """A kind of data in a download, which has a top folder of its own.

    Attributes:
        description: the folder's content in a few words.
        needed_by: the clips that need it: ``all``, those of ``raw`` or ``marker-removed`` video, or ``none``.
    """

    description: str
    needed_by: Literal["all", "raw", "marker-removed", "none"]


class _Modalities(RootModel[dict[str, Modality]]):
    """The file modalities.toml: name of a top folder -> its modality (kind of data)."""


@cache
def modalities() -> Mapping[str, Modality]:
    """Return name of a top folder -> its modality (kind of data), in the order of modalities.toml."""
    return read_toml(_Modalities, files("hoibench.datasets.taco.doctor") / "modalities.toml").root


@dataclass(frozen=True)
class Listing:
    """The sequences, cameras and zips of a download.

    Attributes:
        root: the folder of the download.
        sequences: key (YYYYMMDD_NNN) -> sequence, of all sequences with a folder in any modality (top folder).
        keys: modality -> keys of the sequences with a folder in it.
        cameras: modality of videos -> camera serial -> keys of the sequences with a video by that camera.
        zips: zips in the download.
        strays: folders with unexpected names, which are ignored.
        duplicates: keys of sequences in more than one triplet's folder.
    """

    root: Path
    sequences: Mapping[str, TacoSequence]
    keys: Mapping[str, frozenset[str]]
    cameras: Mapping[str, Mapping[str, frozenset[str]]]
    zips: tuple[Path, ...]
    strays: tuple[Path, ...]
    duplicates: tuple[str, ...]

    @property
    def inventory(self) -> Inventory:
        """The numbers of sequences and videos in the download, for the report."""
        return Inventory(
            len(self.sequences),
            {name: len(keys) for name, keys in self.keys.items()},
            {kind: {serial: len(keys) for serial, keys in cameras.items()} for kind, cameras in self.cameras.items()},
        )


def list_download(root: Path) -> Listing:
    """Return the listing of the download at ``root``, without opening any file.

    Raises:
        FileNotFoundError: the root is not a folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is not a folder: give the folder with TACO's unpacked zips")
    found: dict[str, dict[str, TacoSequence]] = {name: {} for name in modalities()}
    sequences: dict[str, TacoSequence] = {}
    duplicates = set()
    for name, by_key in found.items():
        for sequence in iter_sequences(root, name):
            first = sequences.setdefault(sequence.key, sequence)
            by_key[sequence.key] = first
            if sequence.triplet != first.triplet:
                duplicates.add(sequence.key)
    return Listing(
        root,
        dict(sorted(sequences.items())),
        {name: frozenset(by_key) for name, by_key in found.items()},
        {kind: _cameras(found[kind], kind) for kind in (RGB, MARKER_REMOVED)},
        tuple(sorted([*root.glob("*.zip"), *root.glob("*/*.zip")])),
        tuple(stray for name in modalities() for top in modality_folders(root, name) for stray in _strays(top, name)),
        tuple(sorted(duplicates)),
    )


def has_taco_files(listing: Listing) -> bool:
    """Return whether a folder has anything of a download: a zip, a top folder of a modality, or the objects' meshes."""
    folders = [folder for name in modalities() for folder in modality_folders(listing.root, name)]
    return bool(listing.zips or folders or any((listing.root / name).is_dir() for name in MODELS))


def _cameras(found: Mapping[str, TacoSequence], kind: str) -> dict[str, frozenset[str]]:
    keys: dict[str, set[str]] = {}
    for key, sequence in found.items():
        for serial in sequence.videos(kind):
            keys.setdefault(serial, set()).add(key)
    return {serial: frozenset(own) for serial, own in sorted(keys.items())}


def _strays(top: Path, modality: str) -> list[Path]:
    strays = []
    # Unlike iterdir, glob skips unreadable folders.
    for folder in sorted(path for path in top.glob("*") if path.is_dir() and path.name != modality):
        try:
            parse_triplet(folder.name)
        except ValueError:
            strays.append(folder)
            continue
        strays += [inner for inner in sorted(folder.glob("*")) if inner.is_dir() and not KEY.fullmatch(inner.name)]
    return strays
