"""Pictures of a scene: primary rays, solid texture, Lambert shading under one light, and its shadow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.rays import Hits, pixel_rays
from hoibench.datasets.surfaces import FrameMesh, Surface, frame_mesh
from hoibench.datasets.synthetic.texture import Material, albedo

SAMPLES = 2
"""Each pixel is the mean of SAMPLES x SAMPLES rays."""

_LIGHT = np.array([0.35, 0.45, 1.0]) / np.linalg.norm([0.35, 0.45, 1.0])
_AMBIENT = 0.5
_OFF_SURFACE = 5e-4  # metres; a shadow ray starts off the surface, or it would hit where it starts
_NOTHING = np.array([0.5, 0.5, 0.5])


@dataclass(frozen=True, eq=False)
class Body:
    """A surface with its look: ``rest`` (P, 3) are its vertices in the frame that its ``material`` is fixed to."""

    surface: Surface
    rest: Array
    material: Material


class Stage:
    """Bodies under the light, ready to be seen by any camera in any frame."""

    def __init__(self, bodies: Sequence[Body]) -> None:
        self._surfaces = [body.surface for body in bodies]
        self._palettes = np.stack([body.material.palette for body in bodies])
        self._cells = np.concatenate([body.material.cells(body.rest)[body.surface.faces] for body in bodies])

    def mesh(self, frame: int) -> FrameMesh:
        """The triangles of all bodies in one frame; build it once for all cameras."""
        return frame_mesh(self._surfaces, frame)

    def picture(self, mesh: FrameMesh, camera: Camera) -> Array:
        """The image (H, W, 3) uint8 that a camera takes of a frame's ``mesh``."""
        height, width = camera.size
        origin, directions = pixel_rays(camera, SAMPLES)
        hits = mesh.caster.cast(origin, directions)
        colour = np.empty((len(directions), 3))
        colour[:] = _NOTHING
        seen = np.flatnonzero(hits.hit)
        colour[seen] = self._shade(
            mesh, Hits(hits.face[seen], hits.depth[seen], hits.weights[seen]), origin, directions[seen]
        )
        image = colour.reshape(height, SAMPLES, width, SAMPLES, 3).mean(axis=(1, 3))
        return np.rint(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)

    def _shade(self, mesh: FrameMesh, hits: Hits, origin: Array, directions: Array) -> Array:
        cells = np.einsum("mi,mij->mj", hits.weights, self._cells[hits.face])
        normals = mesh.normals[hits.face]
        towards = -np.sign(np.einsum("mi,mi->m", normals, directions))
        normals = normals * towards[:, None]
        lit = np.maximum(normals @ _LIGHT, 0.0)
        facing = np.flatnonzero(lit > 0.0)
        points = origin + directions[facing] * hits.depth[facing, None] + _OFF_SURFACE * normals[facing]
        lit[facing] *= ~mesh.caster.blocked(points, _LIGHT)
        return albedo(cells, self._palettes[mesh.surface[hits.face]]) * (_AMBIENT + (1.0 - _AMBIENT) * lit)[:, None]
