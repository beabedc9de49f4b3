"""Ray casting on triangle meshes: what a pixel sees, whether a point is seen, and what a light reaches.

Rays either start at one point, with depth measured in lengths of their directions, or are parallel, as from a distant light.  ``EmbreeCaster`` is the
fast implementation; ``hoibench.datasets.numpy_caster.NumpyCaster`` is the plain numpy fallback without embree, and the tests' reference.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.hits import MISS, Hits
from hoibench.datasets.numpy_caster import NumpyCaster


class Caster(Protocol):
    """Answers rays against one triangle mesh, corners (F, 3, 3) in metres."""

    def cast(self, origin: Array, directions: Array) -> Hits:
        """The first hits of M rays from ``origin`` (3,) along ``directions`` (M, 3), which lie in one half-space."""

    def blocked(self, points: Array, direction: Array) -> Array:
        """(M,) bool: whether the mesh lies anywhere ahead of ``points`` (M, 3) along ``direction`` (3,)."""


class EmbreeCaster:
    """Rays by Intel Embree: single precision, a hierarchy of boxes built once a mesh."""

    def __init__(self, corners: Array) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self._scene = EmbreeScene()
        # The mesh object must outlive the scene, which holds no reference of its own.
        self._mesh = TriangleMesh(self._scene, np.ascontiguousarray(corners, dtype=np.float32))

    def cast(self, origin: Array, directions: Array) -> Hits:
        """See ``Caster``."""
        origins = np.empty(directions.shape, dtype=np.float32)
        origins[:] = origin
        answer = self._scene.run(origins, directions.astype(np.float32), query="INTERSECT", output=1)
        face = answer["primID"]
        depth = np.where(face == MISS, np.float32(np.inf), answer["tfar"])
        u, v = answer["u"], answer["v"]
        return Hits(face, depth, np.stack([1.0 - u - v, u, v], axis=-1))

    def blocked(self, points: Array, direction: Array) -> Array:
        """See ``Caster``."""
        directions = np.empty(points.shape, dtype=np.float32)
        directions[:] = direction
        answer = self._scene.run(points.astype(np.float32), directions, query="OCCLUDED")
        blocked: Array = answer == 0
        return blocked


@dataclass(frozen=True, eq=False)
class MovedCaster:
    """A mesh that moves as one piece: rays are turned into its own frame, so that its hierarchy of boxes is built once.

    Attributes:
        still: the mesh in its own frame.
        pose: (4, 4) from there to the world, rigid.
    """

    still: Caster
    pose: Array

    def cast(self, origin: Array, directions: Array) -> Hits:
        """See ``Caster``."""
        R, t = self.pose[:3, :3], self.pose[:3, 3]
        return self.still.cast((origin - t) @ R, directions @ R)

    def blocked(self, points: Array, direction: Array) -> Array:
        """See ``Caster``."""
        R, t = self.pose[:3, :3], self.pose[:3, 3]
        return self.still.blocked((points - t) @ R, direction @ R)


def build_caster(corners: Array) -> Caster:
    """The fastest caster that this machine has for a mesh of (F, 3, 3) triangle corners."""
    if len(corners) > 0 and importlib.util.find_spec("embreex") is not None:  # embree takes no empty mesh
        return EmbreeCaster(corners)
    return NumpyCaster(corners)


def pixel_rays(camera: Camera, samples: int = 1) -> tuple[Array, Array]:
    """Rays through a static camera's pixels, straight from K: depth along them is the z-depth in metres.

    Args:
        camera: pixel centres lie at integer coordinates.
        samples: s; each pixel is sampled on a centred s x s grid.

    Returns:
        origin (3,) and directions (H*s, W*s, 3) in the world.
    """
    height, width = camera.size
    within = (np.arange(samples) + 0.5) / samples - 0.5
    u = (np.arange(width)[:, None] + within).ravel()
    v = (np.arange(height)[:, None] + within).ravel()
    pixels = np.stack([*np.meshgrid(u, v), np.ones((v.size, u.size))], axis=-1)
    # d_world = R^T K^-1 (u, v, 1): its camera-space z is 1.
    return -camera.R.T @ camera.t, pixels.reshape(-1, 3) @ np.linalg.inv(camera.K).T @ camera.R
