"""Moving triangle surfaces of hands and objects, and their meshes and ray casters in single frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from hoibench.clip import Array, Camera, check_shape
from hoibench.datasets.coverage import covered_pixels
from hoibench.datasets.ray_casting import Caster, MovedCaster, build_caster

BACKGROUND = 255
"""Value of ``Surface.part`` for everything except hands and objects, whose values are indices into ``hoibench.clip.PARTS``."""


@dataclass(frozen=True, eq=False)
class Surface:
    """The triangle mesh of one part, i.e. a hand, an object or background, over N frames.

    Attributes:
        part: index into ``hoibench.clip.PARTS``, or ``BACKGROUND``.
        vertices: (N, P, 3) metres in the world; NaN in frames without a recorded pose.
        faces: (F, 3) vertex indices.
        rest: (P, 3) vertices of a rigid part in its own frame, in metres, or None; with ``poses``, it speeds up ray casting.
        poses: (N, 4, 4) rigid transforms from that frame to the world, or None.
    """

    part: int
    vertices: Array
    faces: Array
    rest: Array | None = None
    poses: Array | None = None

    def __post_init__(self) -> None:
        check_shape(f"surface of part {self.part}: vertices", self.vertices, ("N", "P", 3))
        check_shape(f"surface of part {self.part}: faces", self.faces, ("F", 3))

    @cached_property
    def recorded(self) -> Array:
        """(N,) bool, false in frames without a recorded pose, where vertices are NaN."""
        return np.asarray(np.isfinite(self.vertices).all(axis=(1, 2)))

    @cached_property
    def hull(self) -> Array:
        """(Q,) indices of the vertices that are corners of the convex hull of a rigid part, in every frame; of all vertices for other parts."""
        if self.rest is not None:
            with suppress(QhullError):  # all vertices lie in a plane
                corners: Array = ConvexHull(self.rest).vertices
                return corners
        return np.arange(self.vertices.shape[1])

    def caster(self, frame: int) -> Caster:
        """Return a ray caster for the surface in frame ``frame``, in world coordinates; built once, for a rigid part once for all frames."""
        if self._still is not None and self.poses is not None:
            return MovedCaster(self._still, self.poses[frame])
        if frame not in self._casters:
            self._casters[frame] = build_caster(self.vertices[frame][self.faces])
        return self._casters[frame]

    @cached_property
    def _casters(self) -> dict[int, Caster]:
        return {}

    @cached_property
    def _still(self) -> Caster | None:
        return None if self.rest is None else build_caster(self.rest[self.faces])


@dataclass(frozen=True, eq=False)
class FrameMesh:
    """All surfaces in one frame as a single mesh of F triangles.

    Attributes:
        corners: (F, 3, 3) metres in the world.
        surface: (F,) index of each triangle's surface in the sequence given to ``build_frame_mesh``.
        part: (F,) uint8 index into ``hoibench.clip.PARTS``, or ``BACKGROUND``.
    """

    corners: Array
    surface: Array
    part: Array

    @cached_property
    def caster(self) -> Caster:
        """The ray caster of these triangles, built on first use."""
        return build_caster(self.corners)

    @cached_property
    def normals(self) -> Array:
        """(F, 3) unit normals of the triangles; zero for a triangle without area."""
        a, b, c = self.corners.swapaxes(0, 1)
        normals = np.cross(b - a, c - a)
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
        return normals / np.where(length > 0.0, length, 1.0)


def build_frame_mesh(surfaces: Sequence[Surface], frame: int) -> FrameMesh:
    """Return one mesh of all surfaces that have a recorded pose in frame ``frame``."""
    counts = [len(s.faces) if s.recorded[frame] else 0 for s in surfaces]
    corners = [s.vertices[frame][s.faces] for s in surfaces if s.recorded[frame]]
    return FrameMesh(
        corners=np.concatenate(corners) if corners else np.zeros((0, 3, 3)),
        surface=np.repeat(np.arange(len(surfaces)), counts),
        part=np.repeat(np.array([s.part for s in surfaces], dtype=np.uint8), counts),
    )


@dataclass(frozen=True, eq=False)
class PlacedPart:
    """A surface in one frame.

    Attributes:
        hull: (Q, 3) points in the world, in metres, whose convex hull is that of the surface.
        caster: its ray caster in world coordinates.
    """

    hull: Array
    caster: Caster
    _covered: dict[Camera, Array] = field(default_factory=dict, init=False, repr=False)

    def covered(self, camera: Camera) -> Array:
        """Return ``covered_pixels`` of the surface in a camera's image, (H, W) bool; computed once for each camera."""
        if camera not in self._covered:
            self._covered[camera] = covered_pixels(self.hull, camera)
        return self._covered[camera]


def place_parts(surfaces: Sequence[Surface], frame: int) -> tuple[PlacedPart, ...]:
    """Return each surface that has a recorded pose in frame ``frame`` at its place in that frame, with a ray caster of its own.

    For depth, this is much faster than a ``FrameMesh``, since casters of rigid surfaces are not rebuilt in each frame.
    """
    return tuple(PlacedPart(s.vertices[frame][s.hull], s.caster(frame)) for s in surfaces if s.recorded[frame])


class FrameVisitor(Protocol):
    """A computation of one array per frame from the surfaces in that frame, e.g. the masks of one camera."""

    def visit(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
        """Return an array computed from the surfaces (``parts``) in frame ``frame``; its shape is the same in each frame."""
        ...


def map_frames(surfaces: Sequence[Surface], visitors: Sequence[FrameVisitor]) -> tuple[Array, ...]:
    """Run each visitor on all N frames, and return one array (N, ...) per visitor: its results, stacked.

    The surfaces of a frame are moved to their places once for all visitors.
    """
    frames = []
    for frame in range(len(surfaces[0].vertices)):
        parts = place_parts(surfaces, frame)
        frames.append([visitor.visit(frame, parts) for visitor in visitors])
    return tuple(np.stack(values) for values in zip(*frames, strict=True))


def bounding_box(pixels: Array) -> tuple[Array, Array]:
    """Return the corners (x, y) of the bounding box of pixels (P, 2), lowest and highest; P must be above 0."""
    x, y = pixels[:, 0], pixels[:, 1]  # much faster than min(axis=0) of both columns
    return np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
