"""Meshes and poses of tools and targets in a folder of prepared clips; a mesh is stored once, however many sequences show its object.

OUT/objects/ID/      the decimated mesh of an object, and its ``MeshRecord``
OUT/KEY/objects/     the poses of a sequence's tool and target, and their ``PosesRecord``

Folders that were prepared before meshes were stored have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from hoibench.clip import PARTS, Array
from hoibench.datasets.axial_symmetry import find_symmetry_axis
from hoibench.datasets.decimation import decimate
from hoibench.datasets.taco.download import OBJECT_ROLES
from hoibench.datasets.taco.prepare.format import SequenceRecord, Vector3
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.tracks import nearest_recorded
from hoibench.rigid_object import RigidObject
from hoibench.store import array_digest, read_npz, write_npz
from hoibench.store.verified_folder import CorruptFolder, FolderMetadata, is_intact, read_metadata, write_folder

MAX_MESH_ERROR = 0.25e-3
"""Largest distance, in metres, between the meshes of the download and of prepared clips: a twentieth of the distance that counts as contact."""

_MESH = "mesh.npz"
_POSES = "poses.npz"
_FIX = "run hoibench data prepare again"


class MeshRecord(FolderMetadata):
    """The metadata of an object's mesh in a folder of prepared clips.

    Attributes:
        source_digest: SHA-256 of the vertices and faces of the mesh in the download.
        source_faces: number of faces of the mesh in the download.
        faces: number of faces of the stored mesh.
        error: distance between both meshes in metres, see ``hausdorff_distance``.
        symmetry_axis: as in ``RigidObject``.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-mesh@1"
    FIX: ClassVar[str] = _FIX

    source_digest: str
    source_faces: int
    faces: int
    error: float
    symmetry_axis: Vector3 | None


class PosesRecord(FolderMetadata):
    """The metadata of the poses of a sequence's objects in a folder of prepared clips.

    Attributes:
        sequence_digest: ``SequenceRecord.content_digest`` of the sequence.
        mesh_digests: ``MeshRecord.source_digest`` of the tool and the target.
    """

    SCHEMA: ClassVar[str] = "hoibench/taco-object-poses@1"
    FIX: ClassVar[str] = _FIX

    sequence_digest: str
    mesh_digests: tuple[str, str]


M = TypeVar("M", bound=FolderMetadata)


def mesh_folder(out: Path, instance: str) -> Path:
    """Return the path of the folder of an object's mesh in ``out``, a folder of prepared clips."""
    return out / "objects" / instance


def poses_folder(out: Path, key: str) -> Path:
    """Return the path of the folder of the poses of a sequence's objects in ``out``, a folder of prepared clips."""
    return out / key / "objects"


def ensure_objects(recording: Recording, out: Path, sequence: SequenceRecord) -> None:
    """Write the missing meshes and poses of a recording's tool and target; ``sequence`` is the record of its tracks in ``out``.

    Raises:
        FileNotFoundError: a file of the download is missing.
        ValueError: a file of the download is damaged, or ``out`` has poses or a mesh from another download.
        WriteError: ``out`` cannot be written.
    """
    folder = poses_folder(out, sequence.key)
    meshes = [mesh_folder(out, instance) for instance in sequence.instances]
    existing = _read_intact(folder, PosesRecord)
    if existing is not None and existing.sequence_digest != sequence.content_digest:
        raise ValueError(
            f"{folder} was prepared from other annotations than those in {recording.download.root}: {_delete(folder)}"
        )
    if existing is not None and all(is_intact(mesh, MeshRecord) for mesh in meshes):
        return
    digests = [array_digest(*mesh) for mesh in recording.meshes]
    for target, instance, mesh, digest in zip(meshes, sequence.instances, recording.meshes, digests, strict=True):
        stored = _read_intact(target, MeshRecord)
        if stored is None:
            _write_mesh(target, *mesh, digest)
        elif stored.source_digest != digest:
            raise ValueError(
                f"{target} was prepared from another mesh than {recording.download.mesh(instance)}: {_delete(target)}"
            )
    poses = {
        role: filled
        for role, every in zip(OBJECT_ROLES, recording.object_poses, strict=True)
        if (filled := _fill_in(every[list(sequence.source_frames)])) is not None
    }
    record = PosesRecord(sequence_digest=sequence.content_digest, mesh_digests=(digests[0], digests[1]))
    write_folder(folder, record, lambda new: write_npz(new / _POSES, poses))


def object_loader(out: Path, sequence: SequenceRecord) -> Callable[[], tuple[RigidObject, ...]] | None:
    """Return a function that reads the tool and target of a sequence, given the record of its tracks; None if they were not prepared.

    Every file is checked now, and read when the function is called.

    Raises:
        FileNotFoundError: a mesh is missing; names its folder.
        CorruptFolder: a file is damaged; names it.
        ValueError: a folder was moved there from elsewhere.
    """
    folder = poses_folder(out, sequence.key)
    if not folder.is_dir():
        return None
    record = read_metadata(folder, PosesRecord, check="contents")
    _check_origin(folder, record.sequence_digest, sequence.content_digest)
    meshes = [mesh_folder(out, instance) for instance in sequence.instances]
    axes = []
    for mesh, digest in zip(meshes, record.mesh_digests, strict=True):
        stored = read_metadata(mesh, MeshRecord, check="contents")
        _check_origin(mesh, stored.source_digest, digest)
        axes.append(stored.symmetry_axis)
    return partial(_read_objects, folder, meshes, axes)


def _read_objects(folder: Path, meshes: Sequence[Path], axes: Sequence[Vector3 | None]) -> tuple[RigidObject, ...]:
    poses = read_npz(folder / _POSES)
    objects = []
    for role, mesh, axis in zip(OBJECT_ROLES, meshes, axes, strict=True):
        if role in poses:
            arrays = read_npz(mesh / _MESH)
            R, t = poses[role][:, :3, :3], poses[role][:, :3, 3]
            symmetry_axis = None if axis is None else np.array(axis)
            objects.append(RigidObject(PARTS.index(role), arrays["vertices"], arrays["faces"], R, t, symmetry_axis))
    return tuple(objects)


def _write_mesh(folder: Path, vertices: Array, faces: Array, source_digest: str) -> None:
    mesh = decimate(vertices, faces, MAX_MESH_ERROR)
    axis = find_symmetry_axis(mesh.vertices, mesh.faces)
    record = MeshRecord(
        source_digest=source_digest,
        source_faces=len(faces),
        faces=len(mesh.faces),
        error=mesh.error,
        symmetry_axis=None if axis is None else tuple(axis.tolist()),
    )
    arrays = {"vertices": mesh.vertices, "faces": mesh.faces}
    write_folder(folder, record, lambda new: write_npz(new / _MESH, arrays))


def _fill_in(poses: Array) -> Array | None:
    """Return poses (N, 4, 4) with the nearest recorded one where they are NaN, or None if all are."""
    recorded: Array = np.asarray(np.isfinite(poses).all(axis=(1, 2)))
    return poses[nearest_recorded(recorded)] if recorded.any() else None


def _read_intact(folder: Path, model: type[M]) -> M | None:
    try:
        return read_metadata(folder, model, check="contents")
    except (FileNotFoundError, CorruptFolder):
        return None


def _check_origin(folder: Path, found: str, expected: str) -> None:
    if found != expected:
        raise ValueError(
            f"{folder} was prepared from other files ({found[:12]}) than the tracks ({expected[:12]}): {_delete(folder)}"
        )


def _delete(folder: Path) -> str:
    return f"delete {folder}, and run hoibench data prepare"
