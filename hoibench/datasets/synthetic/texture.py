"""Solid textures in 3D space, sampled in an object's own frame without texture coordinates: a grained ground with marks on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from hoibench.clip import Array

_CELLS = 64
_NOISE_SEED = 20230927
_EDGE = 0.15  # half the width of a mark's edge, in standard deviations of the noise


@cache
def grain_noise() -> Array:
    """Return one period of two octaves of band-limited noise, (64, 64, 64) float32 in 0..1."""
    noise = np.random.default_rng(_NOISE_SEED).standard_normal((2, _CELLS, _CELLS, _CELLS))
    octaves = _band(noise[0], 1.6) + _band(noise[1], 0.8)
    level: Array = (0.5 + 0.25 * octaves / octaves.std()).clip(0.0, 1.0).astype(np.float32)
    return level


@cache
def mark_noise() -> Array:
    """Return one period of one octave of noise, (64, 64, 64) float32 of unit deviation, whose blobs are about 6 cells wide."""
    noise = np.random.default_rng(_NOISE_SEED + 1).standard_normal((_CELLS, _CELLS, _CELLS))
    return _band(noise, 1.6).astype(np.float32)


def _band(noise: Array, sigma: float) -> Array:
    band = gaussian_filter(noise, sigma, mode="wrap") - gaussian_filter(noise, 2.0 * sigma, mode="wrap")
    unit: Array = band / band.std()
    return unit


@dataclass(frozen=True, eq=False)
class Material:
    """A ground between two colours, with marks of a third colour.

    Attributes:
        palette: (3, 3) RGB in 0..1 of the ground's dark and light grain, and of the marks.
        threshold: level of ``mark_noise`` above which a mark is; 0 covers half of the surface, 1 about a sixth.
        lattice: (6, 3) from metres in the object's frame to cells of ``grain_noise`` and of ``mark_noise``, rotated so that no plane shows
            the period.
        shift: (6,) offset in cells.
    """

    palette: Array
    threshold: float
    lattice: Array
    shift: Array

    def cells(self, points: Array) -> Array:
        """Return noise cells (P, 6) of points (P, 3) in the object's frame; affine, so cells may be interpolated over a triangle."""
        return points @ self.lattice.T + self.shift


def random_material(
    palette: Array,
    threshold: float,
    grain: Array | float,
    mark: Array | float,
    rng: np.random.Generator,
    tilt: float | None = None,
) -> Material:
    """Draw a material with cells of ``grain`` and ``mark`` metres along the object's axes, randomly shifted and rotated.

    Args:
        palette: see ``Material``.
        threshold: see ``Material``.
        grain: metres per cell of the grain, or (3,) along its own axes.
        mark: metres per cell of the marks, or (3,) along their own axes.
        rng: source of shifts and rotations.
        tilt: largest rotation of the grain about each axis, radians; None rotates it at random.
    """
    turn = (
        Rotation.random(random_state=rng) if tilt is None else Rotation.from_euler("xyz", rng.uniform(-tilt, tilt, 3))
    )
    lattices = [
        turn.as_matrix() / np.broadcast_to(grain, 3)[:, None],
        Rotation.random(random_state=rng).as_matrix() / np.asarray(mark),
    ]
    return Material(np.asarray(palette), threshold, np.concatenate(lattices), rng.uniform(0.0, _CELLS, 6))


def albedo(cells: Array, palettes: Array, thresholds: Array) -> Array:
    """Return colours (M, 3) at noise cells (M, 6) with palettes (M, 3, 3) and thresholds (M,)."""
    grain = map_coordinates(grain_noise(), cells[:, :3].T, order=1, mode="grid-wrap")[:, None]
    colour: Array = palettes[:, 0] + grain * (palettes[:, 1] - palettes[:, 0])
    marked = np.flatnonzero(thresholds < mark_noise().max() + _EDGE)
    level = map_coordinates(mark_noise(), cells[marked, 3:].T, order=1, mode="grid-wrap")
    inside = (0.5 + (level - thresholds[marked]) / (2.0 * _EDGE)).clip(0.0, 1.0)[:, None]
    colour[marked] += inside * (palettes[marked, 2] - colour[marked])
    return colour
