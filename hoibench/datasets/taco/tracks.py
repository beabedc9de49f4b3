"""True point tracks: points sampled on the surfaces of hands and objects, with their visibility in each view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array, Camera, Tracks
from hoibench.datasets.surfaces import Surface, build_frame_mesh
from hoibench.datasets.taco.visibility import compute_visibility

_CANDIDATES_PER_POINT = 64
_SEED = 0
_HALVINGS = 20


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """K points attached to triangles of a list of surfaces.

    Attributes:
        surface: (K,) index of each point's surface in the list.
        face: (K,) index of the triangle in the surface's faces.
        weights: (K, 3) barycentric coordinates in the triangle.
    """

    surface: Array
    face: Array
    weights: Array


def build_tracks(surfaces: Sequence[Surface], cameras: Sequence[Camera], count: int) -> Tracks:
    """Build the tracks of ``count`` points on the surfaces over all frames, with their visibility in the cameras.

    Raises:
        ValueError: the surfaces have no area in frame 0, or fewer than ``count`` distinct points.
    """
    points = choose_points(surfaces, count)
    world, part = track_points(points, surfaces)
    recorded = recorded_mask(points, surfaces)
    visible, depth_edge = compute_visibility(world, surfaces, cameras)
    return Tracks(world, visible & recorded, part, None if recorded.all() else recorded, depth_edge)


def choose_points(surfaces: Sequence[Surface], count: int) -> SurfacePoints:
    """Spread ``count`` points evenly over the surfaces in frame 0, by voxel sampling (section 4.1 of the SyncMV4D paper).

    Candidates are drawn uniformly by area; each voxel keeps the one nearest to its centre.  Each surface has its own voxels, so that parts in contact
    keep their own points.  The voxel size is the largest that gives enough points; surplus points are dropped at random.  Voxels are aligned with
    the candidates' principal axes, because world axes differ between recording dates.  A part not recorded in frame 0 gets no points.

    Raises:
        ValueError: nothing was recorded in frame 0, or the surfaces have no area or too few distinct points.
    """
    rng = np.random.default_rng(_SEED)
    pool = sample_by_area(surfaces, _CANDIDATES_PER_POINT * count, rng)
    positions = _to_principal_axes(_in_first_frame(pool, surfaces))
    low, high = 0.0, float(np.ptp(positions, axis=0).max())
    for _ in range(_HALVINGS):
        edge = (low + high) / 2.0
        enough = len(np.unique(_voxels(pool.surface, positions, edge)[0])) >= count
        low, high = (edge, high) if enough else (low, edge)
    if low == 0.0:
        raise ValueError(f"the surfaces give fewer than {count} distinct points in frame 0")
    chosen = np.sort(rng.permutation(_one_per_voxel(pool.surface, positions, low))[:count])
    return SurfacePoints(pool.surface[chosen], pool.face[chosen], pool.weights[chosen])


def track_points(points: SurfacePoints, surfaces: Sequence[Surface]) -> tuple[Array, Array]:
    """Return the positions (N, K, 3) float32 of points in every frame, in metres in the world, and their parts (K,) uint8, indices into ``PARTS``.

    If its part was not recorded in a frame, a point has its position in the nearest recorded frame (the earlier one if tied).
    """
    frames = len(surfaces[0].vertices)
    world = np.empty((frames, len(points.face), 3), dtype=np.float32)
    for index, surface in enumerate(surfaces):
        own = np.flatnonzero(points.surface == index)
        if own.size:
            for frame, nearest in enumerate(nearest_recorded(surface.recorded)):
                world[frame, own] = _locate(points, own, surface, nearest)
    part = np.array([surface.part for surface in surfaces], dtype=np.uint8)[points.surface]
    return world, part


def recorded_mask(points: SurfacePoints, surfaces: Sequence[Surface]) -> Array:
    """Return a mask (N, K) bool, true where the part (hand or object) of a point was recorded in a frame."""
    recorded: Array = np.stack([surface.recorded for surface in surfaces], axis=1)[:, points.surface]
    return recorded


def sample_by_area(surfaces: Sequence[Surface], count: int, rng: np.random.Generator) -> SurfacePoints:
    """Draw ``count`` points uniformly by area from the surfaces in frame 0; raises ValueError if they have no area there."""
    mesh = build_frame_mesh(surfaces, 0)
    a, b, c = mesh.corners.swapaxes(0, 1)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not area.sum() > 0.0:
        raise ValueError("the surfaces have no area in frame 0: nothing was recorded, or all vertices are collinear")
    triangle = np.sort(rng.choice(len(area), size=count, p=area / area.sum()))
    # The square root makes the density uniform over a triangle.
    root, share = np.sqrt(rng.uniform(size=count)), rng.uniform(size=count)
    weights = np.stack([1.0 - root, root * (1.0 - share), root * share], axis=1)
    surface = mesh.surface[triangle]
    return SurfacePoints(surface, triangle - np.searchsorted(mesh.surface, surface), weights)


def _in_first_frame(points: SurfacePoints, surfaces: Sequence[Surface]) -> Array:
    positions = np.empty((len(points.face), 3))
    for index, surface in enumerate(surfaces):
        own = np.flatnonzero(points.surface == index)
        positions[own] = _locate(points, own, surface, 0)
    return positions


def _locate(points: SurfacePoints, indices: Array, surface: Surface, frame: int) -> Array:
    """Return the world positions (M, 3) in one frame of the points with indices (M,), all of which are on ``surface``."""
    corners = surface.vertices[frame][surface.faces[points.face[indices]]]
    located: Array = np.einsum("ki,kij->kj", points.weights[indices], corners)
    return located


def nearest_recorded(recorded: Array) -> Array:
    """Return, for a mask (N,) of recorded frames, the number (N,) of the recorded frame nearest to each frame; the earlier one if tied."""
    frames = np.flatnonzero(recorded)
    distance = np.abs(np.arange(len(recorded))[:, None] - frames)
    nearest: Array = frames[distance.argmin(axis=1)]
    return nearest


def _to_principal_axes(positions: Array) -> Array:
    """Return positions (M, 3) centred and rotated to their principal axes, each of which points towards its longer tail."""
    centred = positions - positions.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1]
    turned: Array = along * np.where((along**3).sum(axis=0) < 0.0, -1.0, 1.0)
    return turned


def _voxels(surface: Array, positions: Array, edge: float) -> tuple[Array, Array]:
    """Assign points to voxels, cubes of ``edge`` metres, separately for each surface.

    Returns:
        A number (M,) that identifies each point's pair of surface and voxel, and each point's distance (M,) to the voxel's centre in edge lengths.
    """
    scaled = positions / edge
    voxel = np.floor(scaled)
    off_centre = np.linalg.norm(scaled - voxel - 0.5, axis=1)
    cell = (voxel - voxel.min(axis=0)).astype(np.int64)
    sides = cell.max(axis=0) + 1
    return ((surface * sides[0] + cell[:, 0]) * sides[1] + cell[:, 1]) * sides[2] + cell[:, 2], off_centre


def _one_per_voxel(surface: Array, positions: Array, edge: float) -> Array:
    """Return the indices of the points that are nearest to their voxel's centre, one for each pair of surface and voxel that has points."""
    number, off_centre = _voxels(surface, positions, edge)
    order = np.argsort(off_centre, kind="stable")
    _, first = np.unique(number[order], return_index=True)
    nearest: Array = order[first]
    return nearest
