"""Rigid objects: the true shape and the true poses of a tool or target, the truth of the metrics of the interaction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hoibench.clip import PARTS, Array, check_float, check_same, check_shape

OBJECT_PARTS = (PARTS.index("tool"), PARTS.index("target"))
"""Indices of the rigid parts in ``PARTS``."""

_ROTATION_TOLERANCE = 1e-3
"""Largest entry of R R^T - I: recorded poses are rounded."""


@dataclass(frozen=True, eq=False)
class RigidObject:
    """The triangle mesh of a tool or target in its own frame, and its poses over N frames: x_world = R x_object + t.

    Attributes:
        part: index into ``PARTS``: the tool or the target.
        vertices: (M, 3) float64 metres, object frame.
        faces: (F, 3) vertex indices.
        R: (N, 3, 3) rotation from object to world.  Frames without a recorded pose repeat the nearest recorded one, as ``Tracks.world`` does.
        t: (N, 3) translation in metres.
        symmetry_axis: (3,) unit vector in the object's frame if the object looks the same from all sides around this axis; else None.

    >>> corners = np.array([[0.0, 0, 0], [0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]])
    >>> faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    >>> pyramid = RigidObject(OBJECT_PARTS[0], corners, faces, R=np.eye(3)[None], t=np.zeros((1, 3)))
    >>> pyramid.name, pyramid.watertight
    ('tool', True)
    """

    part: int
    vertices: Array
    faces: Array
    R: Array
    t: Array
    symmetry_axis: Array | None = None

    def __post_init__(self) -> None:
        if self.part not in OBJECT_PARTS:
            raise ValueError(
                f"RigidObject.part is {self.part}, expected {' or '.join(map(str, OBJECT_PARTS))}: tool or target"
            )
        where = f"RigidObject {self.name}"
        for name, shape in (("vertices", ("M", 3)), ("R", ("N", 3, 3)), ("t", ("N", 3))):
            array = getattr(self, name)
            check_float(f"{where}: {name}", array)
            check_shape(f"{where}: {name}", array, shape)
            if not np.isfinite(array).all():
                raise ValueError(f"{where}: {name} has NaN or infinity")
        check_shape(f"{where}: faces", self.faces, ("F", 3))
        if self.faces.dtype.kind not in "iu":
            raise ValueError(f"{where}: faces has dtype {self.faces.dtype}, expected integers")
        if not len(self.faces) or self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise ValueError(f"{where}: faces needs indices from 0 to {len(self.vertices) - 1}, the number of vertices")
        check_same("frames", {f"{where}: R": len(self.R), f"{where}: t": len(self.t)})
        off = np.abs(self.R @ self.R.mT - np.eye(3)).max(axis=(1, 2)) > _ROTATION_TOLERANCE
        if (off | (np.linalg.det(self.R) < 0)).any():
            raise ValueError(f"{where}: R is not a rotation: expected R R^T = I and determinant +1")
        if self.symmetry_axis is not None:
            check_shape(f"{where}: symmetry_axis", self.symmetry_axis, (3,))
            if not abs(np.linalg.norm(self.symmetry_axis) - 1.0) < _ROTATION_TOLERANCE:
                raise ValueError(f"{where}: symmetry_axis is {self.symmetry_axis.tolist()}, expected a unit vector")

    @property
    def name(self) -> str:
        """The part's name in ``PARTS``: ``tool`` or ``target``."""
        return PARTS[self.part]

    def first(self, frames: int) -> RigidObject:
        """Return the object with its poses in the first ``frames`` frames only."""
        return replace(self, R=self.R[:frames], t=self.t[:frames])

    @cached_property
    def watertight(self) -> bool:
        """True if the mesh is closed and its faces look outwards, so that a point is either inside or outside.

        Vertices at the same place count as one, since files repeat vertices at seams of a texture.
        """
        _, merged = np.unique(self.vertices, axis=0, return_inverse=True)
        corners = merged.reshape(-1)[self.faces.astype(np.int64)]
        edges = corners[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        # The boundary is empty: as many faces run along an edge in one direction as in the other.
        forward, backward = (np.sort(edge @ (corners.max() + 1, 1)) for edge in (edges, edges[:, ::-1]))
        a, b, c = self.vertices[self.faces].swapaxes(0, 1)
        volume = (a * np.cross(b, c)).sum() / 6.0
        return bool(np.array_equal(forward, backward) and volume > 0.0)
