"""True point tracks: points chosen once on the surfaces of hands and objects, followed, and asked in every view whether they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera, Tracks
from hoibench.datasets.surfaces import Surface, build_frame_mesh
from hoibench.datasets.taco.visibility import visibility

_CANDIDATES_PER_POINT = 64
_SEED = 0
_HALVINGS = 20


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """K points fixed to triangles: ``surface`` (K,) and ``face`` (K,) indices, barycentric ``weights`` (K, 3)."""

    surface: Array
    face: Array
    weights: Array


def build_tracks(surfaces: Sequence[Surface], cameras: Sequence[Camera], count: int) -> Tracks:
    """Tracks of ``count`` points over all frames of the surfaces, with their visibility in the cameras.

    Raises:
        ValueError: the surfaces have no area in frame 0 to choose points on.
    """
    points = choose_points(surfaces, count)
    world, part = track_points(points, surfaces)
    recorded = recorded_mask(points, surfaces)
    visible = visibility(world, surfaces, cameras) & recorded
    return Tracks(world, visible, part, None if recorded.all() else recorded)


def choose_points(surfaces: Sequence[Surface], count: int) -> SurfacePoints:
    """Spread ``count`` points evenly over the surfaces in frame 0, by voxel sampling (SyncMV4D, section 4.1).

    Candidates are drawn uniformly by area; each voxel keeps the one nearest to its centre.  A voxel belongs to one surface, so that parts in contact
    keep points of their own.  The voxels are the largest that give enough points, and what is over is dropped at random.  They lie along the
    candidates' own axes, since the world's differ from one recording date to another.  A part that was not recorded in frame 0 gets no points.

    Raises:
        ValueError: nothing was recorded in frame 0, or what was has no area.
    """
    rng = np.random.default_rng(_SEED)
    pool = sample_by_area(surfaces, _CANDIDATES_PER_POINT * count, rng)
    positions = _along_own_axes(_in_first_frame(pool, surfaces))
    low, high = 0.0, float(np.ptp(positions, axis=0).max())
    for _ in range(_HALVINGS):
        edge = (low + high) / 2.0
        enough = len(np.unique(_voxels(pool.surface, positions, edge)[0])) >= count
        low, high = (edge, high) if enough else (low, edge)
    if low == 0.0:
        raise ValueError(f"the surfaces give fewer than {count} distinct points in frame 0")
    kept = np.sort(rng.permutation(_one_per_voxel(pool.surface, positions, low))[:count])
    return SurfacePoints(pool.surface[kept], pool.face[kept], pool.weights[kept])


def track_points(points: SurfacePoints, surfaces: Sequence[Surface]) -> tuple[Array, Array]:
    """World positions (N, K, 3) float32 and parts (K,) uint8 of points in every frame.

    Where its part was not recorded, a point is where it was in the nearest frame that has it, the earlier of two.
    """
    frames = len(surfaces[0].vertices)
    world = np.empty((frames, len(points.face), 3), dtype=np.float32)
    for index, surface in enumerate(surfaces):
        mine = np.flatnonzero(points.surface == index)
        if mine.size:
            for frame, held in enumerate(_nearest_recorded(surface.recorded)):
                world[frame, mine] = _locate(points, mine, surface, held)
    part = np.array([surface.part for surface in surfaces], dtype=np.uint8)[points.surface]
    return world, part


def recorded_mask(points: SurfacePoints, surfaces: Sequence[Surface]) -> Array:
    """(N, K) bool: whether the part that a point is on was recorded in the frame."""
    recorded: Array = np.stack([surface.recorded for surface in surfaces], axis=1)[:, points.surface]
    return recorded


def sample_by_area(surfaces: Sequence[Surface], count: int, rng: np.random.Generator) -> SurfacePoints:
    """``count`` points drawn uniformly by area from the surfaces in frame 0; raises as ``choose_points``."""
    mesh = build_frame_mesh(surfaces, 0)
    a, b, c = mesh.corners.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0.0:
        raise ValueError(
            "the surfaces have no area in frame 0: nothing was recorded in it, or all vertices are in line"
        )
    triangle = np.sort(rng.choice(len(area), size=count, p=area / area.sum()))
    # The square root makes the density even over a triangle.
    root, share = np.sqrt(rng.uniform(size=count)), rng.uniform(size=count)
    weights = np.stack([1.0 - root, root * (1.0 - share), root * share], axis=1)
    surface = mesh.surface[triangle]
    return SurfacePoints(surface, triangle - np.searchsorted(mesh.surface, surface), weights)


def _in_first_frame(points: SurfacePoints, surfaces: Sequence[Surface]) -> Array:
    positions = np.empty((len(points.face), 3))
    for index, surface in enumerate(surfaces):
        mine = np.flatnonzero(points.surface == index)
        positions[mine] = _locate(points, mine, surface, 0)
    return positions


def _locate(points: SurfacePoints, mine: Array, surface: Surface, frame: int) -> Array:
    """Positions (M, 3) in one frame of the points with indices ``mine`` (M,), which are on the surface."""
    corners = surface.vertices[frame][surface.faces[points.face[mine]]]
    located: Array = np.einsum("ki,kij->kj", points.weights[mine], corners)
    return located


def _nearest_recorded(recorded: Array) -> Array:
    """For each of N frames, the recorded frame nearest in time, the earlier of two."""
    there = np.flatnonzero(recorded)
    distance = np.abs(np.arange(len(recorded))[:, None] - there)
    nearest: Array = there[distance.argmin(axis=1)]
    return nearest


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
