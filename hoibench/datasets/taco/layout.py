"""Where TACO keeps what: folders of a download, discovered as they are, since every modality and every camera is a zip of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

RGB = "Allocentric_RGB_Videos"
MARKER_REMOVED = "Marker_Removed_Allocentric_RGB_Videos"
CAMERAS = "Allocentric_Camera_Parameters"
HANDS = "Hand_Poses"
POSES = "Object_Poses"
MODELS = ("Object_Models", "object_models_released")
"""The README's name, and the one inside the released zip."""

HAND_MODEL_FILE = "hand_model.txt"
"""At the root of a tree whose hands are not MANO's: the name of the model that they are posed for."""

_KEY = re.compile(r"\d{8}_\d{3}")
_TRIPLET = re.compile(r"\((.+), (.+), (.+)\)")

Triplet = tuple[str, str, str]


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


@dataclass(frozen=True)
class Sequence:
    """One recording, ``key`` = YYYYMMDD_NNN, in the tree at ``root``."""

    root: Path
    triplet: Triplet
    key: str

    def folder(self, modality: str) -> Path:
        """The sequence's folder under a top folder such as ``Hand_Poses``."""
        return self.root / modality / triplet_folder(self.triplet) / self.key

    @property
    def calibration(self) -> Path:
        """calibration.json of the allocentric cameras."""
        return self.folder(CAMERAS) / "calibration.json"

    def videos(self, modality: str = RGB) -> dict[str, Path]:
        """Serial -> video of each allocentric camera that is there."""
        return {path.stem: path for path in sorted(self.folder(modality).glob("*.mp4"))}

    def video(self, serial: str, modality: str = RGB) -> Path:
        """The video of one camera.

        Raises:
            FileNotFoundError: it is not there; names those that are.
        """
        path = self.folder(modality) / f"{serial}.mp4"
        if not path.is_file():
            there = ", ".join(self.videos(modality)) or "none"
            raise FileNotFoundError(f"{path} is missing (cameras there: {there}): download {modality}/{serial}.zip")
        return path

    def object_pose(self, role: str) -> tuple[str, Path]:
        """(object id, pose file) of the ``tool`` or the ``target``.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: there are several.
        """
        folder = self.folder(POSES)
        found = sorted(folder.glob(f"{role}_*.npy"))
        if not found:
            raise FileNotFoundError(f"{folder} holds no {role}_<id>.npy: download Object_Poses.zip")
        if len(found) > 1:
            raise ValueError(f"{folder} holds {len(found)} files {role}_<id>.npy, expected one")
        return found[0].stem.partition("_")[2], found[0]


@dataclass(frozen=True)
class Tree:
    """A TACO download, or a tree in its layout."""

    root: Path

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.root} is no folder: give the one that holds {POSES}, {HANDS}, {RGB}, ...")
        if not (self.root / POSES).is_dir():
            raise FileNotFoundError(f"{self.root} holds no {POSES}: give the folder that TACO's zips were unpacked in")

    @cached_property
    def sequences(self) -> dict[str, Sequence]:
        """Key -> sequence, of every sequence that has object poses."""
        found = {}
        for folder in sorted((self.root / POSES).glob("(*)/*")):
            if _KEY.fullmatch(folder.name) and folder.is_dir():
                found[folder.name] = Sequence(self.root, parse_triplet(folder.parent.name), folder.name)
        return found

    def sequence(self, key: str) -> Sequence:
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
        marker = self.root / HAND_MODEL_FILE
        return marker.read_text(encoding="utf-8").strip() if marker.is_file() else "mano"

    def model(self, object_id: str) -> Path:
        """The mesh of an object, in centimetres.

        Raises:
            FileNotFoundError: it is not there.
        """
        for folder in MODELS:
            path = self.root / folder / f"{object_id}_cm.obj"
            if path.is_file():
                return path
        raise FileNotFoundError(f"{self.root / MODELS[0] / f'{object_id}_cm.obj'} is missing: download {MODELS[0]}.zip")
