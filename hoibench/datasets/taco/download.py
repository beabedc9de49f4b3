"""Where TACO keeps what: folders of a download, discovered as they are, since every modality and every camera is a zip of its own."""

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
"""The README's name, and the one inside the released zip."""

INFO_FILE = "taco_info.csv"
"""At the root of a mirror's tree: a table of its sequences."""
HAND_MODEL_FILE = "hand_model.txt"
"""At the root of a tree whose hands are not MANO's: the name of the model that they are posed for."""

KEY = re.compile(r"\d{8}_\d{3}")
"""YYYYMMDD_NNN, the name of a sequence's folder; unique over the whole data set."""
_TRIPLET = re.compile(r"\(([^,()]+), ([^,()]+), ([^,()]+)\)")
_SERIAL = re.compile(r"\d+")

Triplet = tuple[str, str, str]
ROLES = ("tool", "target")
"""Of a sequence's two objects, in the order of their parts."""


def triplet_folder(triplet: Triplet) -> str:
    """``(action, tool, target)``, the order on disk, of a (tool, action, target) triplet."""
    tool, action, target = triplet
    return f"({action}, {tool}, {target})"


def parse_triplet(folder: str) -> Triplet:
    """The (tool, action, target) triplet of a folder name.

    Raises:
        ValueError: the name is not of the form ``(action, tool, target)``.
    """
    match = _TRIPLET.fullmatch(folder)
    if match is None:
        raise ValueError(f"{folder!r} names no triplet: TACO's folders are called (action, tool, target)")
    action, tool, target = match.groups()
    return tool, action, target


def modality_folders(root: Path, modality: str) -> tuple[Path, ...]:
    """The folders of a modality that are there: ROOT/M, and ROOT/M/M where a zip was unpacked into a folder of its own name."""
    outer = root / modality
    return tuple(folder for folder in (outer, outer / modality) if folder.is_dir())


def camera_folders(root: Path, modality: str) -> tuple[Path, ...]:
    """ROOT/M/SERIAL, where the zip of a camera was unpacked into a folder of its own name."""
    return tuple(folder for serial in rig().cameras if (folder := root / modality / serial).is_dir())


def sequence_folders(root: Path, modality: str) -> Iterator[TacoSequence]:
    """Every sequence that has a folder under a modality, by triplet and key; what is not named like one is passed over."""
    for top in (*modality_folders(root, modality), *camera_folders(root, modality)):
        for folder in sorted(top.glob("(*)/*")):
            if KEY.fullmatch(folder.name) and _TRIPLET.fullmatch(folder.parent.name) and folder.is_dir():
                yield TacoSequence(root, parse_triplet(folder.parent.name), folder.name)


def discover(root: Path, modality: str) -> dict[str, TacoSequence]:
    """Key -> sequence of ``sequence_folders``, the first of each key."""
    found: dict[str, TacoSequence] = {}
    for sequence in sequence_folders(root, modality):
        found.setdefault(sequence.key, sequence)
    return found


def find_model(root: Path, object_id: str) -> Path:
    """The mesh of an object, in centimetres, under either name of the models' folder or under one inside the other.

    Raises:
        FileNotFoundError: it is not there.
    """
    first, second = MODELS
    for folder in (first, second, f"{first}/{second}", f"{first}/{first}", f"{second}/{second}"):
        path = root / folder / f"{object_id}_cm.obj"
        if path.is_file():
            return path
    raise FileNotFoundError(f"{root / first / f'{object_id}_cm.obj'} is missing: {how_to_get(root, first)}")


def read_hand_model(root: Path) -> str:
    """The model that a tree's hands are posed for: ``mano`` unless hand_model.txt names another.

    Raises:
        ValueError: hand_model.txt is no text; names it.
    """
    marker = root / HAND_MODEL_FILE
    try:
        return marker.read_text(encoding="utf-8").strip() if marker.is_file() else "mano"
    except UnicodeDecodeError as error:
        raise ValueError(f"{marker} is no text ({error}): TACO has no such file, so delete it") from error


def how_to_get(root: Path, zip_name: str) -> str:
    """The words for what to do about a missing zip: unpack it where it lies, or download it."""
    name = f"{zip_name}.zip"
    lying = next((path for path in (root / name, root / Path(zip_name).name / name) if path.is_file()), None)
    return f"download {name}" if lying is None else f"unpack {lying}"


@dataclass(frozen=True)
class TacoSequence:
    """One recording, ``key`` = YYYYMMDD_NNN, in the tree at ``root``."""

    root: Path
    triplet: Triplet
    key: str

    def folder(self, modality: str) -> Path:
        """The sequence's folder under a top folder such as ``Hand_Poses``, there or not."""
        within = Path(triplet_folder(self.triplet)) / self.key
        there = (top / within for top in modality_folders(self.root, modality) if (top / within).is_dir())
        return next(there, self.root / modality / within)

    @property
    def calibration(self) -> Path:
        """calibration.json of the allocentric cameras."""
        return self.folder(CAMERAS) / "calibration.json"

    @property
    def ego_video(self) -> Path:
        """The video of the helmet's camera."""
        return self.folder(EGO_RGB) / "color.mp4"

    def videos(self, modality: str = RGB) -> dict[str, Path]:
        """Serial -> video of each allocentric camera that is there, also where its zip was unpacked into a folder of its own name."""
        within = Path(triplet_folder(self.triplet)) / self.key
        paths = [*self.folder(modality).glob("*.mp4")]
        paths += [top / within / f"{top.name}.mp4" for top in camera_folders(self.root, modality)]
        found = {path.stem: path for path in paths if _SERIAL.fullmatch(path.stem) and path.is_file()}
        return dict(sorted(found.items()))

    def video(self, serial: str, modality: str = RGB) -> Path:
        """The video of one camera.

        Raises:
            FileNotFoundError: it is not there; names those that are.
        """
        videos = self.videos(modality)
        if serial not in videos:
            path = self.folder(modality) / f"{serial}.mp4"
            there = ", ".join(videos) or "none"
            fix = how_to_get(self.root, f"{modality}/{serial}")
            raise FileNotFoundError(f"{path} is missing (cameras there: {there}): {fix}")
        return videos[serial]

    def object_pose(self, role: str) -> tuple[str, Path]:
        """(object id, pose file) of the ``tool`` or the ``target``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there are several, or its id is not of three digits.
        """
        folder = self.folder(POSES)
        found = sorted(path for path in folder.glob(f"{role}_*.npy") if path.is_file())
        if not found:
            raise FileNotFoundError(f"{folder} holds no {role}_<id>.npy: {how_to_get(self.root, POSES)}")
        if len(found) > 1:
            raise ValueError(f"{folder} holds {len(found)} files {role}_<id>.npy, expected one")
        object_id = found[0].stem.partition("_")[2]
        if not re.fullmatch(r"\d{3}", object_id):
            raise ValueError(
                f"{found[0]} names object {object_id!r}, expected an id of three digits: unpack {POSES}.zip"
            )
        return object_id, found[0]


@dataclass(frozen=True)
class TacoDownload:
    """A TACO download, or a tree in its layout."""

    root: Path

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is no folder: give the one that holds {POSES}, {HANDS}, {RGB}, ...")
        if not (self.root / POSES).is_dir():
            raise FileNotFoundError(
                f"{self.root} holds no {POSES}: give the folder that TACO's zips were unpacked in, or "
                f"{how_to_get(self.root, POSES)}"
            )

    @cached_property
    def sequences(self) -> dict[str, TacoSequence]:
        """Key -> sequence, of every sequence that has object poses, by triplet and key."""
        return discover(self.root, POSES)

    def sequence(self, key: str) -> TacoSequence:
        """The sequence of a key.

        Raises:
            FileNotFoundError: the tree has no such sequence.
        """
        try:
            return self.sequences[key]
        except KeyError:
            raise FileNotFoundError(
                f"{self.root / POSES} holds no sequence {key} ({len(self.sequences)} are there)"
            ) from None

    @property
    def hand_model(self) -> str:
        """The model that the tree's hands are posed for: ``mano`` unless hand_model.txt names another."""
        return read_hand_model(self.root)

    def model(self, object_id: str) -> Path:
        """The mesh of an object, in centimetres; errors as ``find_model``."""
        return find_model(self.root, object_id)
