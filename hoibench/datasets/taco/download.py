"""The folder layout of a TACO download; any part may be missing, since each modality and each camera is a separate zip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hoibench.datasets.taco.rig import rig

RGB = "Allocentric_RGB_Videos"
MARKER_REMOVED = "Marker_Removed_Allocentric_RGB_Videos"
CAMERAS = "Allocentric_Camera_Parameters"
EGO_RGB = "Egocentric_RGB_Videos"
HANDS = "Hand_Poses"
POSES = "Object_Poses"
MODELS = ("Object_Models", "object_models_released")
"""The name in TACO's README, and the one inside the released zip."""

INFO_FILE = "taco_info.csv"
"""A table of sequences at the root of a mirrored download."""
HAND_MODEL_FILE = "hand_model.txt"
"""Contains the name of the hand model of a download whose hands are not MANO's."""

KEY = re.compile(r"\d{8}_\d{3}")
"""YYYYMMDD_NNN, the name of a sequence's folder; unique in the data set."""
_TRIPLET = re.compile(r"\(([^,()]+), ([^,()]+), ([^,()]+)\)")
_SERIAL = re.compile(r"\d+")

Triplet = tuple[str, str, str]
OBJECT_ROLES = ("tool", "target")
"""Roles of a sequence's two objects, in the order of their parts."""


def triplet_folder(triplet: Triplet) -> str:
    """Return the name ``(action, tool, target)`` of the folder with a (tool, action, target) triplet's sequences."""
    tool, action, target = triplet
    return f"({action}, {tool}, {target})"


def parse_triplet(folder: str) -> Triplet:
    """Return the (tool, action, target) triplet of a folder name, which lists the action first.

    Raises:
        ValueError: the name does not have the form ``(action, tool, target)``.
    """
    match = _TRIPLET.fullmatch(folder)
    if match is None:
        raise ValueError(f"{folder!r} is not a triplet: TACO's folders have names of the form (action, tool, target)")
    action, tool, target = match.groups()
    return tool, action, target


def modality_folders(root: Path, modality: str) -> tuple[Path, ...]:
    """Return the existing folders of a modality M, such as ``Hand_Poses``: ROOT/M, and ROOT/M/M from a zip unpacked into a folder of its own name."""
    folder = root / modality
    return tuple(path for path in (folder, folder / modality) if path.is_dir())


def camera_folders(root: Path, modality: str) -> tuple[Path, ...]:
    """Return the existing folders ROOT/M/SERIAL of a modality M of videos, from cameras' zips unpacked into folders of their own names."""
    return tuple(folder for serial in rig().cameras if (folder := root / modality / serial).is_dir())


def iter_sequences(root: Path, modality: str) -> Iterator[TacoSequence]:
    """Yield each sequence with a folder ``(action, tool, target)/YYYYMMDD_NNN`` below a modality's, e.g. ``Hand_Poses``; skip other folders."""
    for top in (*modality_folders(root, modality), *camera_folders(root, modality)):
        for folder in sorted(top.glob("(*)/*")):
            if KEY.fullmatch(folder.name) and _TRIPLET.fullmatch(folder.parent.name) and folder.is_dir():
                yield TacoSequence(root, parse_triplet(folder.parent.name), folder.name)


def find_sequences(root: Path, modality: str) -> dict[str, TacoSequence]:
    """Return key -> sequence for the sequences in the folder of a modality, e.g. ``Hand_Poses``; if triplets share a key, the first."""
    found: dict[str, TacoSequence] = {}
    for sequence in iter_sequences(root, modality):
        found.setdefault(sequence.key, sequence)
    return found


def find_mesh(root: Path, object_id: str) -> Path:
    """Return the path of an object's mesh; the folder of meshes may have either name in ``MODELS``, and be nested in another.

    Raises:
        FileNotFoundError: the mesh is missing.
    """
    first, second = MODELS
    for folder in (first, second, f"{first}/{second}", f"{first}/{first}", f"{second}/{second}"):
        path = root / folder / f"{object_id}_cm.obj"
        if path.is_file():
            return path
    raise FileNotFoundError(f"{root / first / f'{object_id}_cm.obj'} is missing: {download_hint(root, first)}")


def read_hand_model(root: Path) -> str:
    """Return the name of a download's hand model: ``mano`` unless hand_model.txt names another.

    Raises:
        ValueError: hand_model.txt is not text; names it.
    """
    path = root / HAND_MODEL_FILE
    try:
        return path.read_text(encoding="utf-8").strip() if path.is_file() else "mano"
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not text ({error}): TACO has no such file, so delete it") from error


def download_hint(root: Path, zip_name: str) -> str:
    """Return the fix for a zip's missing files, for error messages: to unpack the zip if it is in the download, else to download it."""
    name = f"{zip_name}.zip"
    path = next((path for path in (root / name, root / Path(zip_name).name / name) if path.is_file()), None)
    return f"download {name}" if path is None else f"unpack {path}"


@dataclass(frozen=True)
class TacoSequence:
    """One recorded sequence of the download at ``root``; its ``key`` is YYYYMMDD_NNN, its ``triplet`` (tool, action, target)."""

    root: Path
    triplet: Triplet
    key: str

    def folder(self, modality: str) -> Path:
        """Return the path of the sequence's folder in a modality such as ``Hand_Poses``, even if it does not exist."""
        relative = Path(triplet_folder(self.triplet)) / self.key
        existing = (top / relative for top in modality_folders(self.root, modality) if (top / relative).is_dir())
        return next(existing, self.root / modality / relative)

    @property
    def calibration(self) -> Path:
        """The path of calibration.json, which describes the allocentric cameras."""
        return self.folder(CAMERAS) / "calibration.json"

    @property
    def ego_video(self) -> Path:
        """The path of the video of the helmet camera."""
        return self.folder(EGO_RGB) / "color.mp4"

    def videos(self, modality: str = RGB) -> dict[str, Path]:
        """Return serial -> path of the existing videos of allocentric cameras, of the kind in the folder ``modality``."""
        relative = Path(triplet_folder(self.triplet)) / self.key
        paths = [*self.folder(modality).glob("*.mp4")]
        paths += [top / relative / f"{top.name}.mp4" for top in camera_folders(self.root, modality)]
        found = {path.stem: path for path in paths if _SERIAL.fullmatch(path.stem) and path.is_file()}
        return dict(sorted(found.items()))

    def video(self, serial: str, modality: str = RGB) -> Path:
        """Return the path of one camera's video, of the kind in the folder ``modality``.

        Raises:
            FileNotFoundError: the video is missing; names the existing ones.
        """
        videos = self.videos(modality)
        if serial not in videos:
            path = self.folder(modality) / f"{serial}.mp4"
            existing = ", ".join(videos) or "none"
            fix = download_hint(self.root, f"{modality}/{serial}")
            raise FileNotFoundError(f"{path} is missing (existing cameras: {existing}): {fix}")
        return videos[serial]

    def find_object_pose(self, role: str) -> tuple[str, Path]:
        """Return (object id, path of the file of poses) of the object with this role, ``tool`` or ``target``.

        Raises:
            FileNotFoundError: the file is missing.
            ValueError: there are several files, or the id does not have three digits.
        """
        folder = self.folder(POSES)
        found = sorted(path for path in folder.glob(f"{role}_*.npy") if path.is_file())
        if not found:
            raise FileNotFoundError(f"{folder} has no {role}_<id>.npy: {download_hint(self.root, POSES)}")
        if len(found) > 1:
            raise ValueError(f"{folder} has {len(found)} files {role}_<id>.npy, expected one: unpack {POSES}.zip again")
        object_id = found[0].stem.partition("_")[2]
        if not re.fullmatch(r"\d{3}", object_id):
            raise ValueError(
                f"{found[0]} names object {object_id!r}, expected an id of three digits: unpack {POSES}.zip"
            )
        return object_id, found[0]


@dataclass(frozen=True)
class TacoDownload:
    """A TACO download, or synthetic data in its layout, in the folder ``root``; raises FileNotFoundError if it has no object poses."""

    root: Path

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is not a folder: give the folder with {POSES}, {HANDS}, {RGB}, ...")
        if not (self.root / POSES).is_dir():
            raise FileNotFoundError(
                f"{self.root} has no {POSES}: give the folder with TACO's unpacked zips, or "
                f"{download_hint(self.root, POSES)}"
            )

    @cached_property
    def sequences(self) -> dict[str, TacoSequence]:
        """Key (YYYYMMDD_NNN) -> sequence, for every sequence with object poses, sorted by triplet and key."""
        return find_sequences(self.root, POSES)

    def sequence(self, key: str) -> TacoSequence:
        """Return the sequence with this key (YYYYMMDD_NNN).

        Raises:
            FileNotFoundError: the download has no such sequence.
        """
        try:
            return self.sequences[key]
        except KeyError:
            raise FileNotFoundError(
                f"{self.root / POSES} has no sequence {key} (number of others: {len(self.sequences)})"
            ) from None

    @property
    def hand_model(self) -> str:
        """The name of the download's hand model, ``mano`` or that in hand_model.txt; raises the errors of ``read_hand_model``."""
        return read_hand_model(self.root)

    def mesh(self, object_id: str) -> Path:
        """Return the path of an object's mesh; raises the errors of ``find_mesh``."""
        return find_mesh(self.root, object_id)
