"""Solid textures: coloured blobs that fill space, looked up at a point of the object's own frame, so that no surface needs to be unwrapped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from hoibench.clip import Array

_CELLS = 64
_NOISE_SEED = 20230927
_FINE = 1.3  # strength of the fine octave: what most keypoints fire on
_GAIN = 1.5  # how hard the blobs' edges are


@cache
def blobs() -> Array:
    """One period of band-limited noise, (64, 64, 64) float32 in -1..1: blobs about 5 cells wide, and others half as wide on them.

    A blob is what a difference-of-Gaussians keypoint fires on, so two octaves of differences of Gaussians give two scales of them.
    """
    noise = np.random.default_rng(_NOISE_SEED).standard_normal((2, _CELLS, _CELLS, _CELLS))
    octaves = _band(noise[0], 1.6) + _FINE * _band(noise[1], 0.8)
    level: Array = np.tanh(_GAIN * octaves / octaves.std()).astype(np.float32)
    return level


def _band(noise: Array, sigma: float) -> Array:
    band = gaussian_filter(noise, sigma, mode="wrap") - gaussian_filter(noise, 2.0 * sigma, mode="wrap")
    unit: Array = band / band.std()
    return unit


@dataclass(frozen=True, eq=False)
class Material:
    """Blobs of one size and palette.

    Attributes:
        palette: (3, 3) RGB in 0..1: of dark blobs, of the ground between, of light blobs.
        lattice: (3, 3) object-frame metres to cells of ``blobs()``; its axes are askew, so that no plane repeats with the period.
        shift: (3,) cells.
    """

    palette: Array
    lattice: Array
    shift: Array

    def cells(self, points: Array) -> Array:
        """Where in the noise object-frame points (P, 3) lie, (P, 3) cells; affine, so it may be interpolated over a triangle."""
        return points @ self.lattice.T + self.shift


def random_material(palette: Array, cell: Array | float, rng: np.random.Generator) -> Material:
    """A material whose noise cells have ``cell`` metres along the object's axes, placed and turned at random."""
    turn = Rotation.random(random_state=rng).as_matrix()
    return Material(np.asarray(palette), turn / np.asarray(cell), rng.uniform(0.0, _CELLS, 3))


def albedo(cells: Array, palettes: Array) -> Array:
    """Colours (M, 3) at noise cells (M, 3), each from its own palette (M, 3, 3)."""
    level = map_coordinates(blobs(), cells.T, order=1, mode="grid-wrap")[:, None]
    ground = palettes[:, 1]
    lighter = ground + np.maximum(level, 0.0) * (palettes[:, 2] - ground)
    colour: Array = lighter + np.maximum(-level, 0.0) * (palettes[:, 0] - ground)
    return colour
