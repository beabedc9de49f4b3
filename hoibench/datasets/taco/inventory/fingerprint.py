"""What tells whether two copies of a TACO sequence hold the same data, though one's videos were resized and encoded again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.calibration import Calibration
from hoibench.geometry import optical_centre

REFERENCE = (3000, 4096)
"""(H, W) of TACO's cameras: intrinsics are told at this size, whatever the copy's."""

# Numbers that differ by less are the same: copies round theirs when they write or scale them.
_PIXELS = 0.5
_METRES = 0.001
_RADIANS = 1e-4


@dataclass(frozen=True)
class CameraPrint:
    """One camera of a sequence, rounded.

    Attributes:
        intrinsics: fx, fy, cx, cy in pixels of ``REFERENCE``.
        rotation: R (3, 3), row by row, world to camera.
        centre: where it is in the world, metres.
    """

    intrinsics: tuple[float, ...]
    rotation: tuple[float, ...]
    centre: tuple[float, ...]

    def differences(self, other: CameraPrint) -> list[str]:
        """In words, what is not the same within half a pixel, 0.0001 rad and a millimetre."""
        words = []
        if _furthest(self.intrinsics, other.intrinsics) > _PIXELS:
            size = f"{REFERENCE[1]}x{REFERENCE[0]}"
            words.append(
                f"fx, fy, cx, cy are {_listed(self.intrinsics)} against {_listed(other.intrinsics)} px at {size}"
            )
        if _furthest(self.rotation, other.rotation) > _RADIANS:
            words.append(
                f"looks along {_listed(self.rotation[6:])} against {_listed(other.rotation[6:])}, or is rolled"
            )
        if _furthest(self.centre, other.centre) > _METRES:
            words.append(f"is at {_listed(self.centre)} against {_listed(other.centre)} m")
        return words


def print_camera(calibration: Calibration) -> CameraPrint:
    """The fingerprint of a calibrated camera; what a resized copy did to K is undone (``Calibration.camera``)."""
    K = calibration.camera(REFERENCE).K
    centre = optical_centre(calibration.R, calibration.t)
    return CameraPrint(
        intrinsics=_rounded(K[[0, 1, 0, 1], [0, 1, 2, 2]], 2),
        rotation=_rounded(calibration.R.ravel(), 5),
        centre=_rounded(centre, 4),
    )


def values_digest(*arrays: Array) -> str:
    """The SHA-256 of arrays' values, one after another, as little-endian float32 in C order, 64 hex digits; every NaN is the same."""
    digest = hashlib.sha256()
    for array in arrays:
        values = np.asarray(array).astype("<f4")
        values[np.isnan(values)] = np.nan
        digest.update(values.tobytes())
    return digest.hexdigest()


def _rounded(values: Array, decimals: int) -> tuple[float, ...]:
    return tuple(float(value) for value in np.round(values, decimals) + 0.0)  # -0.0 becomes 0.0


def _furthest(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.8g}" for value in values)
