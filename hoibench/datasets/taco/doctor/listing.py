"""What lies in a download, from the names of its folders and files alone."""

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
    RGB,
    TacoSequence,
    modality_folders,
    parse_triplet,
    sequence_folders,
)
from hoibench.store.records import Record, read_toml


class Modality(Record):
    """A top folder: what it ``holds``, and which clips need it: ``all``, those of ``raw`` or ``marker-removed`` video, or ``none``."""

    holds: str
    needed_by: Literal["all", "raw", "marker-removed", "none"]


class _Modalities(RootModel[dict[str, Modality]]):
    """The file modalities.toml: name of the top folder -> what it is."""


@cache
def modalities() -> Mapping[str, Modality]:
    """Name -> modality, in the order of modalities.toml."""
    return read_toml(_Modalities, files("hoibench.datasets.taco.doctor") / "modalities.toml").root


@dataclass(frozen=True)
class Listing:
    """The names in a download.

    Attributes:
        root: the download.
        sequences: key -> sequence, of any that has a folder in any modality.
        there: modality -> the keys that have a folder in it.
        cameras: kind of video (its top folder) -> serial -> the keys that have its video.
        zips: zips that lie there.
        strays: folders whose names are no triplet's or no sequence's, where such are expected.
        twice: sequences that lie under more than one triplet.
    """

    root: Path
    sequences: Mapping[str, TacoSequence]
    there: Mapping[str, frozenset[str]]
    cameras: Mapping[str, Mapping[str, frozenset[str]]]
    zips: tuple[Path, ...]
    strays: tuple[Path, ...]
    twice: tuple[str, ...]

    @property
    def inventory(self) -> Inventory:
        """The counts."""
        return Inventory(
            len(self.sequences),
            {name: len(keys) for name, keys in self.there.items()},
            {kind: {serial: len(keys) for serial, keys in cameras.items()} for kind, cameras in self.cameras.items()},
        )


def list_tree(root: Path) -> Listing:
    """The listing of a download; no file is opened.

    Raises:
        FileNotFoundError: the root is no folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"{root} is no folder: give the one that TACO's zips were unpacked in")
    found: dict[str, dict[str, TacoSequence]] = {name: {} for name in modalities()}
    sequences: dict[str, TacoSequence] = {}
    twice = set()
    for name, by_key in found.items():
        for sequence in sequence_folders(root, name):
            first = sequences.setdefault(sequence.key, sequence)
            by_key[sequence.key] = first
            if sequence.triplet != first.triplet:
                twice.add(sequence.key)
    return Listing(
        root,
        dict(sorted(sequences.items())),
        {name: frozenset(by_key) for name, by_key in found.items()},
        {kind: _cameras(found[kind], kind) for kind in (RGB, MARKER_REMOVED)},
        tuple(sorted([*root.glob("*.zip"), *root.glob("*/*.zip")])),
        tuple(stray for name in modalities() for top in modality_folders(root, name) for stray in _strays(top, name)),
        tuple(sorted(twice)),
    )


def _cameras(found: Mapping[str, TacoSequence], kind: str) -> dict[str, frozenset[str]]:
    keys: dict[str, set[str]] = {}
    for key, sequence in found.items():
        for serial in sequence.videos(kind):
            keys.setdefault(serial, set()).add(key)
    return {serial: frozenset(mine) for serial, mine in sorted(keys.items())}


def _strays(top: Path, modality: str) -> list[Path]:
    strays = []
    # A glob passes over what may not be read, which iterdir would stop at.
    for folder in sorted(path for path in top.glob("*") if path.is_dir() and path.name != modality):
        try:
            parse_triplet(folder.name)
        except ValueError:
            strays.append(folder)
            continue
        strays += [inner for inner in sorted(folder.glob("*")) if inner.is_dir() and not KEY.fullmatch(inner.name)]
    return strays
