"""What is there, and what should be: folders, zips that were never unpacked, names that are none of TACO's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hoibench.datasets.taco.doctor.examination import Examination
from hoibench.datasets.taco.doctor.listing import Modality, modalities
from hoibench.datasets.taco.doctor.report import Check, Findings
from hoibench.datasets.taco.layout import MODELS, how_to_get, modality_folders
from hoibench.datasets.taco.rig import rig


def check_presence(examination: Examination) -> Iterator[Check]:
    """The checks of this module, from names alone."""
    yield _zips(examination)
    yield _modalities(examination)
    yield _sequences(examination)
    yield _names(examination)


def _zips(examination: Examination) -> Check:
    found = Findings()
    needed = False
    for path in examination.listing.zips:
        if _is_packed(examination, path):
            found.add(f"{path}: nothing of it is unpacked")
            needed |= _is_needed(examination, path)
    return found.check(
        "zips",
        "zips lie there un-unpacked",
        "all zips that lie there are unpacked",
        f"unpack them in {examination.root}, each so that its top folder stands there",
        looked_at=len(examination.listing.zips),
        status="problem" if needed else "warning",
    )


def _is_packed(examination: Examination, path: Path) -> bool:
    """Whether a zip is one of TACO's of which nothing is unpacked."""
    if path.stem in modalities():
        return not examination.listing.there[path.stem]
    if path.stem in MODELS:
        return not any((examination.root / folder).is_dir() for folder in MODELS)
    cameras = examination.listing.cameras
    return path.stem in rig().cameras and not any(path.stem in cameras[kind] for kind in _kinds(examination, path))


def _is_needed(examination: Examination, path: Path) -> bool:
    """Whether clips cannot do without what is in one of TACO's zips."""
    names = _kinds(examination, path) if path.stem in rig().cameras else [path.stem]
    return path.stem in MODELS or any(name in _needed(examination) for name in names)


def _kinds(examination: Examination, path: Path) -> list[str]:
    """The folders of videos that a camera's zip may belong to: the one that it lies in, or all of them."""
    cameras = examination.listing.cameras
    return [path.parent.name] if path.parent.name in cameras else list(cameras)


def _needed(examination: Examination) -> dict[str, Modality]:
    """The modalities that the wanted clips cannot do without."""
    users = {"all", *examination.kinds}
    return {name: modality for name, modality in modalities().items() if modality.needed_by in users}


def _modalities(examination: Examination) -> Check:
    found = Findings()
    needed, cameras = _needed(examination), examination.listing.cameras
    for name, modality in needed.items():
        if not modality_folders(examination.root, name):
            found.add(f"{examination.root / name} is missing ({modality.holds}): {how_to_get(examination.root, name)}")
        elif not examination.listing.there[name]:
            found.add(f"{examination.root / name} holds no (action, tool, target)/YYYYMMDD_NNN: unpack its zip again")
        elif name in cameras and not cameras[name]:
            found.add(f"{examination.root / name} holds no SERIAL.mp4 of any camera: unpack its zips again")
    if not any((examination.root / folder).is_dir() for folder in MODELS):
        found.add(
            f"{examination.root / MODELS[0]} is missing (meshes of the objects): {how_to_get(examination.root, MODELS[0])}"
        )
    return found.check(
        "folders",
        "folders are missing that clips need",
        "all folders that clips need are there",
        f"download and unpack them in {examination.root}; videos come as one zip for each camera, and single cameras will do",
        looked_at=len(needed) + 1,
    )


def _sequences(examination: Examination) -> Check:
    found = Findings()
    listing = examination.listing
    filmed = frozenset[str]().union(*(keys for cameras in listing.cameras.values() for keys in cameras.values()))
    has = {name: listing.there[name] for name, modality in modalities().items() if modality.needed_by == "all"}
    for name, keys in {**has, "any folder of videos": filmed}.items():
        lacking = sorted(listing.sequences.keys() - keys)
        if lacking and keys:  # a folder that is missing altogether is told by the check of folders
            total = len(listing.sequences)
            found.add(f"{len(lacking)} of {total} sequences are not in {name}, the first is {lacking[0]}", len(lacking))
    return found.check(
        "sequences",
        "sequences are not whole",
        "every sequence has poses, hands, calibration and videos",
        "unpack the zip again, or what of it is still to come; a clip needs all four",
        looked_at=len(listing.sequences),
        status="warning",
    )


def _names(examination: Examination) -> Check:
    found = Findings()
    for path in examination.listing.strays:
        found.add(f"{path} is named like no folder of TACO's and is passed over")
    for key in examination.listing.twice:
        found.add(f"sequence {key} lies under more than one triplet")
    for name in modalities():
        tops = modality_folders(examination.root, name)
        if len(tops) > 1 and any(tops[0].glob("(*)")):
            found.add(f"{name} was unpacked twice, in {tops[0]} and in {tops[1]}: the first is read")
    return found.check(
        "names",
        "names are not TACO's",
        "all folders are named as TACO's are",
        "move each sequence to FOLDER/(action, tool, target)/YYYYMMDD_NNN once",
        looked_at=len(examination.listing.sequences),
        status="warning",
    )
