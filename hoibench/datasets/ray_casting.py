"""Ray casting on triangle meshes, for rendering, visibility and shadows.

Rays either start at one point, as those of a camera, or are parallel, as those of a distant light.  ``EmbreeCaster`` is the fast implementation;
``hoibench.datasets.numpy_ray_caster.NumpyCaster`` replaces it if embree is not installed, and is the reference in tests.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.numpy_ray_caster import NumpyCaster
from hoibench.datasets.ray_hits import MISS, Hits


class Caster(Protocol):
    """An object that intersects rays with one triangle mesh, given by the corners (F, 3, 3) of its F triangles in metres."""

    def cast(self, origin: Array, directions: Array) -> Hits:
        """Return the first hit on the mesh of each of M rays from ``origin`` (3,) along ``directions`` (M, 3), all within one half-space."""

    def hits(self, origin: Array, directions: Array) -> Array:
        """Return (M,) bool, true where the ray from ``origin`` (3,) along ``directions[i]`` of (M, 3) hits the mesh: ``cast(...).is_hit``, faster."""

    def is_blocked(self, points: Array, direction: Array) -> Array:
        """Return (M,) bool, true where the ray from ``points[i]`` of (M, 3) along the common ``direction`` (3,) hits the mesh."""


class EmbreeCaster:
    """A ``Caster`` that uses Intel Embree in single precision; creating it builds a bounding volume hierarchy of the mesh."""

    def __init__(self, corners: Array) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._scene = EmbreeScene()
        # The scene does not keep a reference to the mesh object, which must outlive it.
        self._mesh = TriangleMesh(self._scene, np.ascontiguousarray(corners, dtype=np.float32))

    def cast(self, origin: Array, directions: Array) -> Hits:
        """Return the first hit on the mesh of each of M rays from ``origin`` (3,) along ``directions`` (M, 3)."""
        origins = np.empty(directions.shape, dtype=np.float32)
        origins[:] = origin
        result = self._scene.run(origins, directions.astype(np.float32), query="INTERSECT", output=1)
        face = result["primID"]
        depth = np.where(face == MISS, np.float32(np.inf), result["tfar"])
        u, v = result["u"], result["v"]
        return Hits(face, depth, np.stack([1.0 - u - v, u, v], axis=-1))

    def hits(self, origin: Array, directions: Array) -> Array:
        """Return (M,) bool, true where the ray from ``origin`` (3,) along ``directions[i]`` of (M, 3) hits the mesh."""
        origins = np.empty(directions.shape, dtype=np.float32)
        origins[:] = origin
        return self._is_blocked(origins, directions.astype(np.float32))

    def is_blocked(self, points: Array, direction: Array) -> Array:
        """Return (M,) bool, true where the ray from ``points[i]`` of (M, 3) along ``direction`` (3,) hits the mesh."""
        directions = np.empty(points.shape, dtype=np.float32)
        directions[:] = direction
        return self._is_blocked(points.astype(np.float32), directions)

    def _is_blocked(self, origins: Array, directions: Array) -> Array:
        result = self._scene.run(origins, directions, query="OCCLUDED")
        blocked: Array = result == 0
        return blocked


@dataclass(frozen=True, eq=False)
class MovedCaster:
    """A ``Caster`` for a rigid mesh at a pose: it transforms the rays to the mesh's own frame, so that its hierarchy is built only once.

    Attributes:
        mesh_caster: caster of the mesh in the mesh's own frame.
        pose: (4, 4) rigid transform from the mesh's frame to the world.
    """

    mesh_caster: Caster
    pose: Array

    def cast(self, origin: Array, directions: Array) -> Hits:
        """Return the first hit on the mesh of each of M rays from ``origin`` (3,) along ``directions`` (M, 3)."""
        R, t = self.pose[:3, :3], self.pose[:3, 3]
        return self.mesh_caster.cast((origin - t) @ R, directions @ R)

    def hits(self, origin: Array, directions: Array) -> Array:
        """Return (M,) bool, true where the ray from ``origin`` (3,) along ``directions[i]`` of (M, 3) hits the mesh."""
        R, t = self.pose[:3, :3], self.pose[:3, 3]
        return self.mesh_caster.hits((origin - t) @ R, directions @ R)

    def is_blocked(self, points: Array, direction: Array) -> Array:
        """Return (M,) bool, true where the ray from ``points[i]`` of (M, 3) along ``direction`` (3,) hits the mesh."""
        R, t = self.pose[:3, :3], self.pose[:3, 3]
        return self.mesh_caster.is_blocked((points - t) @ R, direction @ R)


def build_caster(corners: Array) -> Caster:
    """Return a ray caster for the mesh with triangle corners (F, 3, 3) in metres: with embree if it is installed, else in numpy."""
    if len(corners) > 0 and importlib.util.find_spec("embreex") is not None:  # embree rejects an empty mesh
        return EmbreeCaster(corners)
    return NumpyCaster(corners)


def pixel_rays(camera: Camera, samples: int = 1) -> tuple[Array, Array]:
    """Return the rays through the pixels of a static camera, scaled so that ``Hits.depth`` along them is the z-depth in metres.

    Args:
        camera: a camera with pixel centres at integer coordinates.
        samples: s; each pixel is sampled on a centred s x s grid.

    Returns:
        Origin (3,) and directions (H * s * W * s, 3) in the world frame, in reading order of the samples.
    """
    height, width = camera.size
    within = (np.arange(samples) + 0.5) / samples - 0.5
    u = (np.arange(width)[:, None] + within).ravel()
    v = (np.arange(height)[:, None] + within).ravel()
    return rays_through(camera, np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2))


def rays_through(camera: Camera, pixels: Array) -> tuple[Array, Array]:
    """Return the origin (3,) and the directions (M, 3) of the rays of a static camera through pixels (M, 2) as (x, y), scaled as ``pixel_rays``."""
    # d_world = R^T K^-1 (u, v, 1): its camera-space z is 1.
    homogeneous = np.column_stack([pixels, np.ones(len(pixels))])
    return -camera.R.T @ camera.t, homogeneous @ np.linalg.inv(camera.K).T @ camera.R
