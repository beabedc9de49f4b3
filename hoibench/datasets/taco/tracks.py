"""True point tracks: points chosen once on the surfaces of hands and objects, followed, and asked in every view whether they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera, Tracks
from hoibench.datasets.rays import Caster
from hoibench.datasets.surfaces import Surface, frame_mesh
from hoibench.geometry import optical_centre, project, to_camera

_CANDIDATES_PER_POINT = 64
_SEED = 0
_HALVINGS = 20
_OCCLUSION_TOLERANCE = 1e-4  # metres along the ray: a point lies on the surface that must not hide it


@dataclass(frozen=True, eq=False)
class Points:
    """K points fixed to triangles: ``surface`` (K,) and ``face`` (K,) indices, barycentric ``weights`` (K, 3)."""

    surface: Array
    face: Array
    weights: Array


def build_tracks(surfaces: Sequence[Surface], cameras: Sequence[Camera], count: int) -> Tracks:
    """Tracks of ``count`` points over all frames of the surfaces, with their visibility in the cameras.

    Raises:
        ValueError: the surfaces have no area to choose points on.
    """
    world, part = follow(choose_points(surfaces, count), surfaces)
    return Tracks(world, visibility(world, surfaces, cameras), part)


def choose_points(surfaces: Sequence[Surface], count: int) -> Points:
    """Spread ``count`` points evenly over the surfaces in frame 0, by voxel sampling (SyncMV4D, section 4.1).

    Candidates are drawn uniformly by area; each voxel keeps the one nearest to its centre.  A voxel belongs to one surface, so that parts in contact
    keep points of their own.  The voxels are the largest that give enough points, and what is over is dropped at random.  They lie along the
    candidates' own axes, since the world's differ from one recording date to another.
    """
    rng = np.random.default_rng(_SEED)
    pool = _sample_by_area(surfaces, _CANDIDATES_PER_POINT * count, rng)
    positions = _along_own_axes(_locate(pool, surfaces, 0))
    low, high = 0.0, float(np.ptp(positions, axis=0).max())
    for _ in range(_HALVINGS):
        edge = (low + high) / 2.0
        enough = len(np.unique(_voxels(pool.surface, positions, edge)[0])) >= count
        low, high = (edge, high) if enough else (low, edge)
    if low == 0.0:
        raise ValueError(f"the surfaces give fewer than {count} distinct points in frame 0")
    kept = np.sort(rng.permutation(_one_per_voxel(pool.surface, positions, low))[:count])
    return Points(pool.surface[kept], pool.face[kept], pool.weights[kept])


def follow(points: Points, surfaces: Sequence[Surface]) -> tuple[Array, Array]:
    """World positions (N, K, 3) float32 and parts (K,) uint8 of points in every frame."""
    frames = len(surfaces[0].vertices)
    world = np.stack([_locate(points, surfaces, frame) for frame in range(frames)])
    part = np.array([surface.part for surface in surfaces], dtype=np.uint8)[points.surface]
    return world.astype(np.float32), part


def visibility(world: Array, surfaces: Sequence[Surface], cameras: Sequence[Camera]) -> Array:
    """Whether each view sees each point in each frame, (V, N, K) bool: inside the image, in front, and hit first by its own ray.

    Args:
        world: (N, K, 3) metres.
        surfaces: what may hide a point.
        cameras: V static cameras.
    """
    visible = np.zeros((len(cameras), *world.shape[:2]), dtype=bool)
    for frame, points in enumerate(world.astype(np.float64)):
        caster = frame_mesh(surfaces, frame).caster
        for view, camera in enumerate(cameras):
            inside = np.flatnonzero(_in_image(points, camera))
            visible[view, frame, inside] = _unoccluded(caster, optical_centre(camera.R, camera.t), points[inside])
    return visible


def _in_image(points: Array, camera: Camera) -> Array:
    in_camera = to_camera(points, camera.R, camera.t)
    front = in_camera[:, 2] > 0.0
    pixels = project(np.where(front[:, None], in_camera, 1.0), camera.K)
    height, width = camera.size
    within: Array = front & (pixels >= -0.5).all(axis=1) & (pixels < [width - 0.5, height - 0.5]).all(axis=1)
    return within


def _unoccluded(caster: Caster, origin: Array, points: Array) -> Array:
    if len(points) == 0:
        return np.zeros(0, dtype=bool)
    rays = points - origin
    distance = np.linalg.norm(rays, axis=1)
    first = caster.cast(origin, rays / distance[:, None]).depth
    seen: Array = first >= distance - _OCCLUSION_TOLERANCE
    return seen


def _sample_by_area(surfaces: Sequence[Surface], count: int, rng: np.random.Generator) -> Points:
    mesh = frame_mesh(surfaces, 0)
    a, b, c = mesh.corners.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0.0:
        raise ValueError("the surfaces have no area in frame 0: their vertices are all in line, or not finite")
    triangle = np.sort(rng.choice(len(area), size=count, p=area / area.sum()))
    # The square root makes the density even over a triangle.
    root, share = np.sqrt(rng.uniform(size=count)), rng.uniform(size=count)
    weights = np.stack([1.0 - root, root * (1.0 - share), root * share], axis=1)
    first_face = np.cumsum([0, *(len(s.faces) for s in surfaces)])
    surface = mesh.surface[triangle]
    return Points(surface, triangle - first_face[surface], weights)


def _locate(points: Points, surfaces: Sequence[Surface], frame: int) -> Array:
    """Positions (K, 3) of points in one frame."""
    positions = np.empty((len(points.face), 3))
    for index, surface in enumerate(surfaces):
        mine = points.surface == index
        corners = surface.vertices[frame][surface.faces[points.face[mine]]]
        positions[mine] = np.einsum("ki,kij->kj", points.weights[mine], corners)
    return positions


def _along_own_axes(positions: Array) -> Array:
    """Positions (M, 3) about their mean along their principal axes, each pointing to the longer tail."""
    centred = positions - positions.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1]
    turned: Array = along * np.where((along**3).sum(axis=0) < 0.0, -1.0, 1.0)
    return turned


def _voxels(surface: Array, positions: Array, edge: float) -> tuple[Array, Array]:
    """A number (M,) for the (surface, voxel) that each point is in, and the point's distance (M,) to the voxel's centre in edges."""
    scaled = positions / edge
    voxel = np.floor(scaled)
    off_centre = np.linalg.norm(scaled - voxel - 0.5, axis=1)
    cell = (voxel - voxel.min(axis=0)).astype(np.int64)
    sides = cell.max(axis=0) + 1
    return ((surface * sides[0] + cell[:, 0]) * sides[1] + cell[:, 1]) * sides[2] + cell[:, 2], off_centre


def _one_per_voxel(surface: Array, positions: Array, edge: float) -> Array:
    """Of the points in each (surface, voxel), the index of the one nearest to the voxel's centre."""
    number, off_centre = _voxels(surface, positions, edge)
    order = np.argsort(off_centre, kind="stable")
    _, first = np.unique(number[order], return_index=True)
    nearest: Array = order[first]
    return nearest
