"""Object meshes and their poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trimesh

from hoibench.clip import Array
from hoibench.geometry import is_rigid

_METRES_PER_UNIT = 0.01


def read_mesh(path: Path) -> tuple[Array, Array]:
    """Vertices (P, 3) float64 in metres, object frame, and faces (F, 3) of an OBJ file in centimetres, in the file's order.

    Raises:
        ValueError: the file holds no triangle mesh.
    """
    try:
        mesh = trimesh.load_mesh(path, process=False, maintain_order=True, skip_materials=True)
    except (ValueError, IndexError, OSError) as error:
        raise ValueError(f"{path} is no readable OBJ file ({error}): unpack Object_Models.zip again") from error
    vertices, faces = np.asarray(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int32)
    if len(vertices) == 0 or len(faces) == 0 or not np.isfinite(vertices).all():
        raise ValueError(f"{path} holds no triangle mesh with finite vertices: unpack Object_Models.zip again")
    return vertices * _METRES_PER_UNIT, faces


def read_poses(path: Path) -> Array:
    """Object-to-world poses (N, 4, 4) float64, metres; a row that was not recorded is NaN.

    Raises:
        ValueError: the file holds something else than rigid poses; names file, frame and value.
    """
    try:
        poses = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is not a whole npy file ({error}): unpack Object_Poses.zip again") from error
    if poses.ndim != 3 or poses.shape[1:] != (4, 4) or len(poses) == 0 or poses.dtype.kind != "f":
        raise ValueError(f"{path} has shape {poses.shape} of {poses.dtype}, expected floating-point (N, 4, 4)")
    rigid: Array = poses.astype(np.float64)
    for frame, pose in enumerate(rigid):
        if np.isfinite(pose).all() and not (is_rigid(pose) and np.allclose(pose[3], [0, 0, 0, 1])):
            raise ValueError(f"{path}: frame {frame} is no rigid pose: {pose.tolist()}")
    return rigid


def place(vertices: Array, poses: Array) -> Array:
    """Object-frame vertices (P, 3) in the world, (N, P, 3), under poses (N, 4, 4)."""
    placed: Array = vertices @ poses[:, :3, :3].mT + poses[:, None, :3, 3]
    return placed
