"""Solid textures: coloured blobs that fill 3D space, sampled at points in an object's own frame, so that no texture coordinates are needed."""

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
    """Return one period of 3D noise, (64, 64, 64) float32 in -1..1, with blobs about 5 cells wide and finer blobs of half that width.

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
    """A solid texture: blobs with a size and a palette of three colours.

    Attributes:
        palette: (3, 3) RGB in 0..1 of dark blobs, the ground between blobs, and light blobs.
        lattice: (3, 3) linear map from metres in the object's frame to cells of ``blobs()``, rotated so that no plane shows the noise's period.
        shift: (3,) offset in cells.
    """

    palette: Array
    lattice: Array
    shift: Array

    def cells(self, points: Array) -> Array:
        """Return the coordinates (P, 3) in ``blobs()``, in cells, of points (P, 3) in the object's frame, in metres.

        The map is affine, so the coordinates may be interpolated over a triangle.
        """
        return points @ self.lattice.T + self.shift


def random_material(palette: Array, cell: Array | float, rng: np.random.Generator) -> Material:
    """Draw a material with a ``palette`` (3, 3) and noise cells of ``cell`` metres along the object's axes, randomly shifted and rotated."""
    rotation = Rotation.random(random_state=rng).as_matrix()
    return Material(np.asarray(palette), rotation / np.asarray(cell), rng.uniform(0.0, _CELLS, 3))


def albedo(cells: Array, palettes: Array) -> Array:
    """Return the colours (M, 3), RGB in 0..1, at coordinates ``cells`` (M, 3) in ``blobs()``, each with a palette of its own (M, 3, 3)."""
    level = map_coordinates(blobs(), cells.T, order=1, mode="grid-wrap")[:, None]
    ground = palettes[:, 1]
    lighter = ground + np.maximum(level, 0.0) * (palettes[:, 2] - ground)
    colour: Array = lighter + np.maximum(-level, 0.0) * (palettes[:, 0] - ground)
    return colour
