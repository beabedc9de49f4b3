"""Readers of object meshes and object poses."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np
import trimesh

from hoibench.clip import Array
from hoibench.geometry import is_rigid

_METRES_PER_UNIT = 0.01
_SMALLEST, _LARGEST = 0.01, 1.0
"""Range of the longest side of an object, in metres; detects meshes in metres, and in millimetres for objects over 10 cm."""
_LOOSE = 0.05
"""Largest fraction of vertices that belong to no face; the released meshes are closed."""
_RIGID_TOLERANCE = 1e-4
_ZERO = re.compile(rb"\s-?0(?=[/\s]|$)")
"""A corner with vertex 0 in lines of faces."""


def read_mesh(path: Path) -> tuple[Array, Array]:
    """Read vertices (P, 3) float64 in metres, object frame, and faces (F, 3) of an OBJ file in centimetres.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a triangle mesh, or not in centimetres; names file and value.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download Object_Models.zip")
    try:
        mesh = trimesh.load_mesh(path, process=False, maintain_order=True, skip_materials=True)
        vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int32)
    except (ValueError, IndexError, AttributeError, OSError) as error:
        raise ValueError(f"{path} is not a readable OBJ file ({error}): unpack Object_Models.zip again") from error
    if len(vertices) == 0 or len(faces) == 0 or not np.isfinite(vertices).all() or faces.max() >= len(vertices):
        raise ValueError(f"{path} is not a triangle mesh with finite vertices: unpack Object_Models.zip again")
    _check_faces(path, faces, len(vertices))
    metres = vertices * _METRES_PER_UNIT
    extent = float(np.ptp(metres, axis=0).max())
    if not _SMALLEST <= extent <= _LARGEST:
        raise ValueError(
            f"{path}: the object is {100 * extent:.3g} cm long, expected {100 * _SMALLEST:g} to {100 * _LARGEST:g} cm: "
            "the file is not in centimetres; unpack Object_Models.zip again"
        )
    return metres, faces


def read_mesh_once(path: Path) -> tuple[Array, Array]:
    """Return ``read_mesh`` of a file as read-only arrays; a process reads the same file again only if it has changed, for the last 8 meshes."""
    status = path.stat() if path.is_file() else None
    return _cached_mesh(path, *(() if status is None else (status.st_size, status.st_mtime_ns, status.st_ino)))


@lru_cache(maxsize=8)
def _cached_mesh(path: Path, *_status: int) -> tuple[Array, Array]:
    mesh = read_mesh(path)
    for array in mesh:
        array.flags.writeable = False
    return mesh


def _check_faces(path: Path, faces: Array, vertices: int) -> None:
    """Raise ValueError unless every face of an OBJ file was read: the parser skips truncated lines, and reads vertex 0 as the last vertex."""
    lines = [line for line in path.read_bytes().splitlines() if line.startswith(b"f ")]
    text = b"\n".join(lines)
    words = text.split()
    if words[::4].count(b"f") == len(lines) == len(words) / 4:  # triangles alone
        triangles, fewest = len(lines), 3
    else:
        corners = [len(line.split()) - 1 for line in lines]
        triangles, fewest = sum(corners) - 2 * len(lines), min(corners)
    if _ZERO.search(text) or triangles != len(faces) or fewest < 3:
        raise ValueError(f"{path} has a truncated face or a face with vertex 0: unpack Object_Models.zip again")
    loose = vertices - len(np.unique(faces))
    if loose > _LOOSE * vertices:
        raise ValueError(
            f"{path}: {loose} of {vertices} vertices belong to no face, so faces are missing: unpack Object_Models.zip again"
        )


def read_poses(path: Path) -> Array:
    """Read object-to-world poses (N, 4, 4) float64, metres; rows that were not fully recorded are NaN.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file does not contain rigid poses, or none was recorded; names file, frame and value.
    """
    poses = _open_poses(path)
    rigid: Array = poses.astype(np.float64)
    recorded: Array = np.asarray(np.isfinite(rigid).all(axis=(1, 2)))
    if not recorded.any():
        raise ValueError(f"{path}: none of its {len(poses)} rows was recorded (all have NaN): exclude the sequence")
    rigid[~recorded] = np.nan
    bad = np.flatnonzero(recorded & ~_are_rigid(np.where(recorded[:, None, None], rigid, np.eye(4))))
    if bad.size:
        raise ValueError(f"{path}: frame {bad[0]} is not a rigid pose: {rigid[bad[0]].tolist()}; exclude the sequence")
    return rigid


def count_pose_rows(path: Path) -> int:
    """Return the number N of poses in a file of poses (N, 4, 4), from the file's header.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not a complete npy file of that shape; names it.
    """
    return len(_open_poses(path))


def _open_poses(path: Path) -> Array:
    """Return the memory-mapped array (N, 4, 4) of a file of poses; raises the errors of ``count_pose_rows``."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download Object_Poses.zip")
    try:
        # Memory-mapped, so that no memory is allocated for a size that the header only claims.
        poses: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OverflowError) as error:
        raise ValueError(f"{path} is not a complete npy file ({error}): unpack Object_Poses.zip again") from error
    shape: tuple[int, ...] = getattr(poses, "shape", ())  # an npz file has none
    if len(shape) != 3 or shape[1:] != (4, 4) or shape[0] == 0 or poses.dtype.kind != "f":
        raise ValueError(f"{path} has shape {shape}, expected floating-point (N, 4, 4): unpack Object_Poses.zip again")
    return poses


def place_vertices(vertices: Array, poses: Array) -> Array:
    """Return object-frame vertices (P, 3) transformed to the world by poses (N, 4, 4), as (N, P, 3)."""
    placed: Array = vertices @ poses[:, :3, :3].mT + poses[:, None, :3, 3]
    return placed


def to_object(points: Array, poses: Array) -> Array:
    """Return world points (N, P, 3) in the frame of the object with these poses (N, 4, 4), as (N, P, 3)."""
    moved: Array = (points - poses[:, None, :3, 3]) @ poses[:, :3, :3]
    return moved


def _are_rigid(poses: Array) -> Array:
    """Return which poses are rigid, (N,) bool: R R^T = I, det R = 1, last row 0, 0, 0, 1."""
    affine: Array = np.abs(poses[:, 3] - [0.0, 0.0, 0.0, 1.0]).max(axis=1) <= _RIGID_TOLERANCE
    return affine & is_rigid(poses, _RIGID_TOLERANCE)
