"""Solid textures: coloured blobs in 3D space that are sampled in an object's own frame, without texture coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from hoibench.clip import Array

_CELLS = 64
_NOISE_SEED = 20230927
_FINE = 1.3  # strength of the fine octave, which triggers most keypoints
_GAIN = 1.5  # sharpness of the blobs' edges


@cache
def blobs() -> Array:
    """Return one period of band-limited noise, (64, 64, 64) float32 in -1..1: blobs about 5 cells wide and finer blobs of half that width.

    Two octaves of differences of Gaussians give blobs that difference-of-Gaussians keypoints detect at two scales.
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
    """Blobs with one size and palette.

    Attributes:
        palette: (3, 3) RGB in 0..1 of dark blobs, the ground between blobs, and light blobs.
        lattice: (3, 3) from metres in the object's frame to cells of ``blobs()``, rotated so that no plane shows the period.
        shift: (3,) offset in cells.
    """

    palette: Array
    lattice: Array
    shift: Array

    def cells(self, points: Array) -> Array:
        """Return noise cells (P, 3) of points (P, 3) in the object's frame; affine, so cells may be interpolated over a triangle."""
        return points @ self.lattice.T + self.shift


def random_material(palette: Array, cell: Array | float, rng: np.random.Generator) -> Material:
    """Draw a material with noise cells of ``cell`` metres along the object's axes, randomly shifted and rotated."""
    rotation = Rotation.random(random_state=rng).as_matrix()
    return Material(np.asarray(palette), rotation / np.asarray(cell), rng.uniform(0.0, _CELLS, 3))


def albedo(cells: Array, palettes: Array) -> Array:
    """Return colours (M, 3) at noise cells (M, 3) with palettes (M, 3, 3)."""
    level = map_coordinates(blobs(), cells.T, order=1, mode="grid-wrap")[:, None]
    ground = palettes[:, 1]
    lighter = ground + np.maximum(level, 0.0) * (palettes[:, 2] - ground)
    colour: Array = lighter + np.maximum(-level, 0.0) * (palettes[:, 0] - ground)
    return colour
