"""Render images of a scene by ray casting, with solid textures, Lambert shading by one light, and shadows.

The room and the cameras are static, so each camera shades the room once.  Per frame, only samples that a hand or an object covers or shadows
are rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.ray_casting import pixel_rays
from hoibench.datasets.ray_hits import Hits
from hoibench.datasets.surfaces import BACKGROUND, FrameMesh, Surface, build_frame_mesh
from hoibench.datasets.synthetic.texture import Material, albedo

SAMPLES = 2
"""Each pixel is the mean colour of SAMPLES x SAMPLES rays."""

LIGHT = np.array([0.35, 0.45, 1.0]) / np.linalg.norm([0.35, 0.45, 1.0])
"""Unit vector (3,) towards the light, in the rig frame."""

_AMBIENT = 0.5
_SHADOW_OFFSET = 5e-4  # metres; shadow rays start above the surface, so that they do not hit it
_EMPTY = 0.5  # grey level without a hit


@dataclass(frozen=True, eq=False)
class TexturedSurface:
    """A surface with a ``material``; ``rest`` (P, 3) are its vertices in metres in the frame in which the material's texture is sampled."""

    surface: Surface
    rest: Array
    material: Material


class _Textures:
    """The textures of several surfaces, for colouring hits on their common mesh."""

    def __init__(self, surfaces: Sequence[TexturedSurface]) -> None:
        self._palettes = np.stack([textured.material.palette for textured in surfaces]).astype(np.float32)
        self._thresholds = np.array([textured.material.threshold for textured in surfaces], dtype=np.float32)
        cells = [textured.material.cells(textured.rest)[textured.surface.faces] for textured in surfaces]
        self._cells = np.concatenate(cells).astype(np.float32)

    def albedo(self, mesh: FrameMesh, hits: Hits) -> Array:
        """Return the colours (M, 3) at hits on a mesh of these surfaces."""
        surface = mesh.surface[hits.face]
        cells = _interpolate(self._cells[hits.face], hits.weights)
        return albedo(cells, self._palettes[surface], self._thresholds[surface])


class RenderScene:
    """The surfaces of a scene, prepared for rendering: moving hands and objects, and the static room of table and wall."""

    def __init__(self, surfaces: Sequence[TexturedSurface]) -> None:
        moving = [textured for textured in surfaces if textured.surface.part != BACKGROUND]
        room = [textured for textured in surfaces if textured.surface.part == BACKGROUND]
        self._surfaces = [textured.surface for textured in moving]
        self.room = build_frame_mesh([textured.surface for textured in room], 0)
        self.room_textures = _Textures(room)
        self.textures = _Textures(moving)

    def mesh(self, frame: int) -> FrameMesh:
        """Return the mesh of hands and objects in frame ``frame``, for ``RenderView.render`` of every camera."""
        return build_frame_mesh(self._surfaces, frame)


class RenderView:
    """A static camera in a scene, which shades the static room once and then renders single frames."""

    def __init__(self, scene: RenderScene, camera: Camera) -> None:
        self._textures, self._camera = scene.textures, camera
        origin, directions = pixel_rays(camera, SAMPLES)
        self._origin, self._directions = origin.astype(np.float32), directions.astype(np.float32)
        hits = scene.room.caster.cast(origin, directions)
        self._depth = hits.depth
        # NaN without a hit, which is never inside an outline.
        self._points = self._along(slice(None), np.where(hits.is_hit, hits.depth, np.float32(np.nan)))
        self._on_light_plane = _LIGHT_PLANE @ self._points.T
        self._lit = np.full((len(directions), 3), _EMPTY, dtype=np.float32)
        self._shaded = self._lit.copy()
        hit = np.flatnonzero(hits.is_hit)
        colour = scene.room_textures.albedo(scene.room, _select(hits, hit))
        normals = _facing_camera(scene.room.normals[hits.face[hit]], self._directions[hit])
        self._points[hit] += _SHADOW_OFFSET * normals
        self._lit[hit] = colour * _brightness(normals @ LIGHT)
        self._shaded[hit] = colour * _AMBIENT

    def render(self, mesh: FrameMesh) -> Array:
        """Render the image (H, W, 3) uint8 RGB of a frame; ``mesh`` is that of hands and objects in this frame, from ``RenderScene.mesh``."""
        colour = self._lit.copy()
        covered, hits = self._covered(mesh)
        in_shadow = self._room_in_shadow(mesh, covered)
        colour[in_shadow] = self._shaded[in_shadow]
        colour[covered] = self._shade(mesh, covered, hits)
        height, width = self._camera.size
        image = colour.reshape(height, SAMPLES, width, SAMPLES, 3)
        # Slices are added, since numpy is slow in reducing short axes.
        rows = sum((image[:, k] for k in range(1, SAMPLES)), image[:, 0])
        pixels = sum((rows[:, :, k] for k in range(1, SAMPLES)), rows[:, :, 0])
        levels: Array = np.rint(pixels * (255.0 / SAMPLES**2)).clip(0.0, 255.0).astype(np.uint8)
        return levels

    def _room_in_shadow(self, mesh: FrameMesh, covered: Array) -> Array:
        """Return the indices of the rays that hit the room in the shadow of ``mesh``, except ``covered`` ones.

        Only rays whose points are within the bounding box of a surface, seen from the light, are tested.
        """
        x, y = self._on_light_plane
        inside = np.zeros(len(x), dtype=bool)
        for (x0, y0), (x1, y1) in _boxes(mesh, _LIGHT_PLANE @ mesh.corners.reshape(-1, 3).T):
            inside |= (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)
        inside[covered] = False
        under = np.flatnonzero(inside)
        return under[mesh.caster.is_blocked(self._points[under], LIGHT)]

    def _covered(self, mesh: FrameMesh) -> tuple[Array, Hits]:
        """Return the indices of the rays that hit ``mesh`` in front of the room, and their hits on it."""
        rays = self._rays_near(mesh)
        hits = mesh.caster.cast(self._origin, self._directions[rays])
        in_front = np.flatnonzero(hits.depth < self._depth[rays])
        return rays[in_front], _select(hits, in_front)

    def _rays_near(self, mesh: FrameMesh) -> Array:
        """Return the indices of the rays through the bounding boxes of the surfaces in the image, enlarged by a pixel for rounding."""
        camera = self._camera
        x, y, z = camera.K @ (camera.R @ mesh.corners.reshape(-1, 3).T + camera.t[:, None])
        height, width = camera.size
        near = np.zeros((SAMPLES * height, SAMPLES * width), dtype=bool)
        for low, high in _boxes(mesh, np.stack([x / z, y / z])):
            left, top = np.clip(np.rint(low) - 1, 0, (width, height)).astype(int) * SAMPLES
            right, bottom = np.clip(np.rint(high) + 2, 0, (width, height)).astype(int) * SAMPLES
            near[top:bottom, left:right] = True
        return np.flatnonzero(near)

    def _shade(self, mesh: FrameMesh, samples: Array, hits: Hits) -> Array:
        normals = _facing_camera(mesh.normals.astype(np.float32)[hits.face], self._directions[samples])
        facing = normals @ LIGHT.astype(np.float32)
        lit = np.flatnonzero(facing > 0.0)
        points = self._along(samples[lit], hits.depth[lit]) + _SHADOW_OFFSET * normals[lit]
        facing[lit] *= ~mesh.caster.is_blocked(points, LIGHT)
        return self._textures.albedo(mesh, hits) * _brightness(facing)

    def _along(self, samples: Array | slice, depth: Array) -> Array:
        points: Array = self._origin + self._directions[samples] * depth[:, None]
        return points


_LIGHT_PLANE = np.linalg.svd(LIGHT[None])[2][1:]
"""Two axes (2, 3) perpendicular to ``LIGHT``; points with equal coordinates along them are on one ray of light."""


def _boxes(mesh: FrameMesh, corners: Array) -> list[tuple[Array, Array]]:
    """Return the bounding box of each surface of ``mesh``, as (lowest, highest) coordinates (2,), for corners (2, 3F) of its triangles."""
    edges = 3 * np.searchsorted(mesh.surface, np.arange(mesh.surface[-1] + 2))
    return [(part.min(axis=1), part.max(axis=1)) for part in np.split(corners, edges[1:-1], axis=1) if part.size]


def _brightness(facing: Array) -> Array:
    """Return the brightness (M, 1), ambient plus direct light, for cosines ``facing`` (M,) of the angle between normal and light."""
    light: Array = (_AMBIENT + (1.0 - _AMBIENT) * np.maximum(facing, 0.0))[:, None]
    return light


def _facing_camera(normals: Array, directions: Array) -> Array:
    """Return the normals (M, 3), flipped if necessary to point against the rays' ``directions`` (M, 3)."""
    away = np.einsum("mi,mi->m", normals, directions) > 0.0
    turned: Array = np.where(away[:, None], -normals, normals)
    return turned


def _interpolate(corners: Array, weights: Array) -> Array:
    """Interpolate values (M, C) from triangle corners (M, 3, C) by barycentric weights (M, 3)."""
    first, second, third = weights.T[..., None]
    values: Array = corners[:, 0] * first + corners[:, 1] * second + corners[:, 2] * third
    return values


def _select(hits: Hits, rays: Array) -> Hits:
    return Hits(hits.face[rays], hits.depth[rays], hits.weights[rays])
