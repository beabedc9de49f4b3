"""A z-buffer in plain numpy: the fallback for machines without embree, and the oracle of the renderer's tests."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.hits import MISS, Hits

_BINS = 64
_AHEAD = 1e-6


class NumpyCaster:
    """Rays by rasterisation: each triangle is tried on the samples that lie in its box on the image plane.

    Double precision.  A ray d meets triangle (a, b, c), seen from the ray's origin, where the volumes d.(b x c), d.(c x a) and d.(a x b) share a
    sign; divided by their sum they are the barycentric weights.
    """

    def __init__(self, corners: Array) -> None:
        self._corners = np.asarray(corners, dtype=np.float64)

    def cast(self, origin: Array, directions: Array) -> Hits:
        """See ``hoibench.datasets.rays.Caster``."""
        directions = np.asarray(directions, dtype=np.float64)
        seen = self._corners - origin
        frame = _frame(directions.mean(axis=0))
        rays = directions @ frame.T
        if (rays[:, 2] <= 0.0).any():
            raise ValueError("the rays of one cast point into more than a half-space: cast them in parts")
        in_view = seen @ frame.T
        box_low, box_high = _perspective_boxes(in_view)
        samples = _Samples(rays[:, :2] / rays[:, 2:])
        return _rasterise(samples, box_low, box_high, _Pencil(seen, directions))

    def blocked(self, points: Array, direction: Array) -> Array:
        """See ``hoibench.datasets.rays.Caster``."""
        points = np.asarray(points, dtype=np.float64)
        # Seen along the light every ray is a point: the first hit beyond each of them is asked for.
        frame = _frame(np.asarray(direction, dtype=np.float64))
        flat = self._corners @ frame.T
        samples = _Samples((points @ frame.T)[:, :2])
        hits = _rasterise(
            samples, flat[..., :2].min(axis=1), flat[..., :2].max(axis=1), _Parallel(flat, points @ frame.T)
        )
        return hits.is_hit


class _Pencil:
    """Rays from one origin: ``seen`` (F, 3, 3) corners relative to it, ``directions`` (M, 3)."""

    def __init__(self, seen: Array, directions: Array) -> None:
        self._directions = directions
        a, b, c = seen[:, 0], seen[:, 1], seen[:, 2]
        self._volumes = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
        self._height = np.einsum("fi,fi->f", a, self._volumes[:, 0])

    def meet(self, face: int, rays: Array) -> tuple[Array, Array]:
        """Depth (m,) of a triangle along some rays, NaN where it is missed, and the weights (m, 3)."""
        volumes = self._directions[rays] @ self._volumes[face].T
        total = volumes.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = volumes / total[:, None]
            depth = self._height[face] / total
        inside = (weights >= 0.0).all(axis=1) & (depth > _AHEAD)
        return np.where(inside, depth, np.nan), weights


class _Parallel:
    """Rays along z: ``flat`` (F, 3, 3) corners and ``points`` (M, 3) starts, in the light's frame."""

    def __init__(self, flat: Array, points: Array) -> None:
        self._flat = flat
        self._points = points

    def meet(self, face: int, rays: Array) -> tuple[Array, Array]:
        """Distance (m,) of a triangle ahead of some points, NaN where there is none, and the weights (m, 3)."""
        edges = self._flat[face, :, None, :2] - self._points[rays][None, :, :2]
        a, b, c = edges
        areas = np.stack([_cross2(b, c), _cross2(c, a), _cross2(a, b)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = areas / areas.sum(axis=1, keepdims=True)
        ahead = weights @ self._flat[face, :, 2] - self._points[rays, 2]
        inside = (weights >= 0.0).all(axis=1) & (ahead > _AHEAD)
        return np.where(inside, ahead, np.nan), weights


class _Samples:
    """2D samples in a grid of bins, sorted so that a row of bins is one run of indices."""

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
        """Indices of the samples in the bins that a box (low (2,), high (2,)) touches."""
        if (high < self._low).any() or (low > self._low + self._step * _BINS).any():
            return self._order[:0]
        (c0, r0), (c1, r1) = self._bins(low), self._bins(high)
        runs = [
            self._order[self._start[row * _BINS + c0] : self._start[row * _BINS + c1 + 1]] for row in range(r0, r1 + 1)
        ]
        return np.concatenate(runs)


def _rasterise(samples: _Samples, low: Array, high: Array, geometry: _Pencil | _Parallel) -> Hits:
    face = np.full(samples.count, MISS, dtype=np.int32)
    depth = np.full(samples.count, np.inf)
    weights = np.zeros((samples.count, 3))
    for index in range(len(low)):
        rays = samples.in_box(low[index], high[index])
        if rays.size == 0:
            continue
        reach, corner_weights = geometry.meet(index, rays)
        nearer = reach < depth[rays]
        kept = rays[nearer]
        face[kept], depth[kept], weights[kept] = index, reach[nearer], corner_weights[nearer]
    return Hits(face, depth.astype(np.float32), weights.astype(np.float32))


def _perspective_boxes(in_view: Array) -> tuple[Array, Array]:
    """Boxes (F, 2) of triangles on the plane z = 1; one that reaches behind the origin is tried everywhere, one wholly behind nowhere."""
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
    """A rotation (3, 3) whose last row is along ``forward``."""
    z = forward / np.linalg.norm(forward)
    aside = np.eye(3)[np.argmin(np.abs(z))]
    x = np.cross(aside, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def _cross2(a: Array, b: Array) -> Array:
    area: Array = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return area
