"""Pictures of a scene: primary rays, solid texture, Lambert shading under one light, and its shadow.

The room never moves and neither do the cameras, so what a camera sees of the room is shaded once; in each frame only the samples that a hand or an
object covers or shades are done again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.hits import Hits
from hoibench.datasets.rays import pixel_rays
from hoibench.datasets.surfaces import BACKGROUND, FrameMesh, Surface, frame_mesh
from hoibench.datasets.synthetic.texture import Material, albedo

SAMPLES = 2
"""Each pixel is the mean of SAMPLES x SAMPLES rays."""

_LIGHT = np.array([0.35, 0.45, 1.0]) / np.linalg.norm([0.35, 0.45, 1.0])
_AMBIENT = 0.5
_OFF_SURFACE = 5e-4  # metres; a shadow ray starts off the surface, or it would hit where it starts
_NOTHING = 0.5


@dataclass(frozen=True, eq=False)
class TexturedSurface:
    """A surface with its look: ``rest`` (P, 3) are its vertices in the frame that its ``material`` is fixed to."""

    surface: Surface
    rest: Array
    material: Material


class _Textures:
    """The colours of some bodies' surfaces."""

    def __init__(self, bodies: Sequence[TexturedSurface]) -> None:
        self._palettes = np.stack([body.material.palette for body in bodies]).astype(np.float32)
        cells = [body.material.cells(body.rest)[body.surface.faces] for body in bodies]
        self._cells = np.concatenate(cells).astype(np.float32)

    def albedo(self, mesh: FrameMesh, hits: Hits) -> Array:
        """(M, 3) colours where rays hit a mesh of these bodies."""
        return albedo(_interpolate(self._cells[hits.face], hits.weights), self._palettes[mesh.surface[hits.face]])


class RenderScene:
    """The bodies of a scene under the light."""

    def __init__(self, bodies: Sequence[TexturedSurface]) -> None:
        moving = [body for body in bodies if body.surface.part != BACKGROUND]
        room = [body for body in bodies if body.surface.part == BACKGROUND]
        self._surfaces = [body.surface for body in moving]
        self.room = frame_mesh([body.surface for body in room], 0)
        self.room_textures = _Textures(room)
        self.textures = _Textures(moving)

    def mesh(self, frame: int) -> FrameMesh:
        """Hands and objects in one frame; build it once for all cameras."""
        return frame_mesh(self._surfaces, frame)


class RenderView:
    """A static camera in a scene."""

    def __init__(self, render_scene: RenderScene, camera: Camera) -> None:
        self._textures, self._camera = render_scene.textures, camera
        origin, directions = pixel_rays(camera, SAMPLES)
        self._origin, self._directions = origin.astype(np.float32), directions.astype(np.float32)
        hits = render_scene.room.caster.cast(origin, directions)
        self._depth = hits.depth
        # NaN where there is no room: never under an outline.
        self._points = self._along(slice(None), np.where(hits.is_hit, hits.depth, np.float32(np.nan)))
        self._on_light_plane = _LIGHT_PLANE @ self._points.T
        self._lit = np.full((len(directions), 3), _NOTHING, dtype=np.float32)
        self._shaded = self._lit.copy()
        seen = np.flatnonzero(hits.is_hit)
        colour = render_scene.room_textures.albedo(render_scene.room, _take(hits, seen))
        normals = _towards(render_scene.room.normals[hits.face[seen]], self._directions[seen])
        self._points[seen] += _OFF_SURFACE * normals
        self._lit[seen] = colour * _brightness(normals @ _LIGHT)
        self._shaded[seen] = colour * _AMBIENT

    def render(self, mesh: FrameMesh) -> Array:
        """The image (H, W, 3) uint8 of the scene from its ``mesh`` in one frame."""
        colour = self._lit.copy()
        in_shadow = self._room_in_shadow(mesh)
        colour[in_shadow] = self._shaded[in_shadow]
        covered, hits = self._covered(mesh)
        colour[covered] = self._shade(mesh, covered, hits)
        height, width = self._camera.size
        image = colour.reshape(height, SAMPLES, width, SAMPLES * 3)
        rows = image.sum(axis=1).reshape(height, width, SAMPLES, 3)
        levels: Array = np.rint(rows.sum(axis=2) * (255.0 / SAMPLES**2)).clip(0.0, 255.0).astype(np.uint8)
        return levels

    def _room_in_shadow(self, mesh: FrameMesh) -> Array:
        """Samples of the room that hands and objects keep from the light; only those under their outline's box are asked."""
        outline = mesh.corners.reshape(-1, 3) @ _LIGHT_PLANE.T
        (x0, y0), (x1, y1) = outline.min(axis=0), outline.max(axis=0)
        x, y = self._on_light_plane
        under = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
        return under[mesh.caster.blocked(self._points[under], _LIGHT)]

    def _covered(self, mesh: FrameMesh) -> tuple[Array, Hits]:
        """Samples that a hand or an object covers, and where it is hit."""
        hits = mesh.caster.cast(self._origin, self._directions)
        covered = np.flatnonzero(hits.depth < self._depth)
        return covered, _take(hits, covered)

    def _shade(self, mesh: FrameMesh, samples: Array, hits: Hits) -> Array:
        normals = _towards(mesh.normals[hits.face], self._directions[samples])
        facing = normals @ _LIGHT
        asked = np.flatnonzero(facing > 0.0)
        points = self._along(samples[asked], hits.depth[asked]) + _OFF_SURFACE * normals[asked]
        facing[asked] *= ~mesh.caster.blocked(points, _LIGHT)
        return self._textures.albedo(mesh, hits) * _brightness(facing)

    def _along(self, samples: Array | slice, depth: Array) -> Array:
        points: Array = self._origin + self._directions[samples] * depth[:, None]
        return points


_LIGHT_PLANE = np.linalg.svd(_LIGHT[None])[2][1:]
"""Two axes (2, 3) across the light: points that agree in them share a ray of it."""


def _brightness(facing: Array) -> Array:
    """Ambient and direct light (M, 1) on a surface whose unit normal has the cosine ``facing`` (M,) to the light."""
    light: Array = (_AMBIENT + (1.0 - _AMBIENT) * np.maximum(facing, 0.0))[:, None]
    return light


def _towards(normals: Array, directions: Array) -> Array:
    """Normals (M, 3) turned to the side that rays of ``directions`` (M, 3) come from."""
    away = np.einsum("mi,mi->m", normals, directions) > 0.0
    turned: Array = np.where(away[:, None], -normals, normals)
    return turned


def _interpolate(corners: Array, weights: Array) -> Array:
    """Values (M, 3) inside triangles from those at their corners (M, 3, 3), by barycentric weights (M, 3)."""
    first, second, third = weights.T[..., None]
    values: Array = corners[:, 0] * first + corners[:, 1] * second + corners[:, 2] * third
    return values


def _take(hits: Hits, rays: Array) -> Hits:
    return Hits(hits.face[rays], hits.depth[rays], hits.weights[rays])
