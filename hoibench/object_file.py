"""Read and write the true objects of a clip as an npz file: part of a clip's folder, see ``hoibench.clip_file``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hoibench.clip import PARTS
from hoibench.rigid_object import OBJECT_PARTS, RigidObject
from hoibench.store import read_npz, write_npz

_ARRAYS = ("vertices", "faces", "R", "t", "symmetry_axis")


def write_objects(path: Path, objects: Iterable[RigidObject]) -> None:
    """Write objects to an npz file, atomically; its arrays are those of ``RigidObject``, e.g. ``tool.vertices``."""
    named = {f"{rigid.name}.{name}": getattr(rigid, name) for rigid in objects for name in _ARRAYS}
    write_npz(path, {key: array for key, array in named.items() if array is not None})


def read_objects(path: Path) -> tuple[RigidObject, ...]:
    """Read the objects of a file that ``write_objects`` wrote.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file is damaged, or lacks an array of an object; names the file.
    """
    arrays = read_npz(path)
    objects = []
    for part in OBJECT_PARTS:
        prefix = f"{PARTS[part]}."
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        try:
            if own:
                objects.append(RigidObject(part, **own))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error
    return tuple(objects)
