"""A ray caster in plain numpy, used if embree is not installed, and as the reference in tests."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.ray_hits import MISS, Hits

_BINS = 64
_AHEAD = 1e-6


class NumpyCaster:
    """A ray caster that rasterises in double precision: it tests each triangle against the rays in its bounding box on an image plane.

    A ray d hits the triangle (a, b, c), relative to the ray's origin, if the volumes d.(b x c), d.(c x a) and d.(a x b) have the same sign.
    Divided by their sum, the volumes are the barycentric weights.
    """

    def __init__(self, corners: Array) -> None:
        self._corners = np.asarray(corners, dtype=np.float64)

    def cast(self, origin: Array, directions: Array) -> Hits:
        """Return the first hit on the mesh of each of M rays from ``origin`` (3,) along ``directions`` (M, 3).

        Raises:
            ValueError: the rays are not within one half-space.
        """
        directions = np.asarray(directions, dtype=np.float64)
        corners = self._corners - origin
        frame = _frame(directions.mean(axis=0))
        rays = directions @ frame.T
        if (rays[:, 2] <= 0.0).any():
            raise ValueError("rays of one cast must be within a half-space: cast them in parts")
        in_view = corners @ frame.T
        box_low, box_high = _perspective_boxes(in_view)
        samples = _Samples(rays[:, :2] / rays[:, 2:])
        return _rasterise(samples, box_low, box_high, _RaysFromOrigin(corners, directions))

    def hits(self, origin: Array, directions: Array) -> Array:
        """Return (M,) bool, true where the ray from ``origin`` (3,) along ``directions[i]`` of (M, 3) hits the mesh."""
        return self.cast(origin, directions).is_hit

    def is_blocked(self, points: Array, direction: Array) -> Array:
        """Return (M,) bool, true where the ray from ``points[i]`` of (M, 3) along ``direction`` (3,) hits the mesh."""
        points = np.asarray(points, dtype=np.float64)
        # Along the direction, each ray projects to a point.
        frame = _frame(np.asarray(direction, dtype=np.float64))
        corners = self._corners @ frame.T
        samples = _Samples((points @ frame.T)[:, :2])
        hits = _rasterise(
            samples,
            corners[..., :2].min(axis=1),
            corners[..., :2].max(axis=1),
            _ParallelRays(corners, points @ frame.T),
        )
        return hits.is_hit


class _RaysFromOrigin:
    """Intersects triangles with rays from one origin: ``corners`` (F, 3, 3) relative to the origin, ray ``directions`` (M, 3)."""

    def __init__(self, corners: Array, directions: Array) -> None:
        self._directions = directions
        a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
        self._volumes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
        self._height = np.einsum("fi,fi->f", a, self._volumes[:, 0])

    def intersect(self, face: int, rays: Array) -> tuple[Array, Array]:
        """Return the depth (m,) of triangle ``face`` along the rays with indices ``rays`` (m,), NaN without a hit, and barycentric weights (m, 3)."""
        volumes = self._directions[rays] @ self._volumes[face].T
        total = volumes.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = volumes / total[:, None]
            depth = self._height[face] / total
        inside = (weights >= 0.0).all(axis=1) & (depth > _AHEAD)
        return np.where(inside, depth, np.nan), weights


class _ParallelRays:
    """Intersects triangles with parallel rays: ``corners`` (F, 3, 3) and starting ``points`` (M, 3) in a frame with its z axis along the rays."""

    def __init__(self, corners: Array, points: Array) -> None:
        self._corners = corners
        self._points = points

    def intersect(self, face: int, rays: Array) -> tuple[Array, Array]:
        """Return the distance (m,) of triangle ``face`` along the rays with indices ``rays``, NaN without a hit, and barycentric weights (m, 3)."""
        edges = self._corners[face, :, None, :2] - self._points[rays][None, :, :2]
        a, b, c = edges
        areas = np.stack([_cross2(b, c), _cross2(c, a), _cross2(a, b)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = areas / areas.sum(axis=1, keepdims=True)
        ahead = weights @ self._corners[face, :, 2] - self._points[rays, 2]
        inside = (weights >= 0.0).all(axis=1) & (ahead > _AHEAD)
        return np.where(inside, ahead, np.nan), weights


class _Samples:
    """2D points, one per ray, sorted into a grid of bins; the points in adjacent bins of a row are contiguous."""

    def __init__(self, positions: Array) -> None:
        self._low = positions.min(axis=0)
        self._step = np.maximum((positions.max(axis=0) - self._low) / _BINS, 1e-12)
        self.count = len(positions)
        column, row = self._bins(positions).T
        key = row * _BINS + column
        self._order = np.argsort(key, kind="stable")
        self._start = np.searchsorted(key[self._order], np.arange(_BINS * _BINS + 1))

    def _bins(self, positions: Array) -> Array:
        bins: Array = np.clip((positions - self._low) / self._step, 0, _BINS - 1).astype(np.int64)
        return bins

    def in_box(self, low: Array, high: Array) -> Array:
        """Return the indices of the points in all bins that overlap the box from ``low`` (2,) to ``high`` (2,)."""
        if (high < self._low).any() or (low > self._low + self._step * _BINS).any():
            return self._order[:0]
        (c0, r0), (c1, r1) = self._bins(low), self._bins(high)
        runs = [
            self._order[self._start[row * _BINS + c0] : self._start[row * _BINS + c1 + 1]] for row in range(r0, r1 + 1)
        ]
        return np.concatenate(runs)


def _rasterise(samples: _Samples, low: Array, high: Array, geometry: _RaysFromOrigin | _ParallelRays) -> Hits:
    face = np.full(samples.count, MISS, dtype=np.int32)
    depth = np.full(samples.count, np.inf)
    weights = np.zeros((samples.count, 3))
    for index in range(len(low)):
        rays = samples.in_box(low[index], high[index])
        if rays.size == 0:
            continue
        distance, corner_weights = geometry.intersect(index, rays)
        nearer = distance < depth[rays]
        hit = rays[nearer]
        face[hit], depth[hit], weights[hit] = index, distance[nearer], corner_weights[nearer]
    return Hits(face, depth.astype(np.float32), weights.astype(np.float32))


def _perspective_boxes(in_view: Array) -> tuple[Array, Array]:
    """Return the low and high corners (F, 2) of the bounding boxes of triangles (F, 3, 3) projected to the plane z = 1.

    A triangle that is partly behind the origin has an infinite box, one that is entirely behind it an empty box.
    """
    z = in_view[..., 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = in_view[..., :2] / z[..., None]
    low, high = flat.min(axis=1), flat.max(axis=1)
    straddles = (z <= _AHEAD).any(axis=1)
    behind = (z <= 0.0).all(axis=1)
    low[straddles], high[straddles] = -np.inf, np.inf
    low[behind], high[behind] = np.inf, np.inf
    return low, high


def _frame(forward: Array) -> Array:
    """Return a rotation (3, 3) to a frame with its z axis along ``forward`` (3,)."""
    z = forward / np.linalg.norm(forward)
    sideways = np.eye(3)[np.argmin(np.abs(z))]
    x = np.cross(sideways, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _cross2(a: Array, b: Array) -> Array:
    area: Array = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return area
