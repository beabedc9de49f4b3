"""Reader of calibration.json, the calibration of the allocentric (fixed) cameras of a TACO sequence."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from hoibench.clip import Array, Camera
from hoibench.datasets.taco.rig import RIG_COLUMNS, rig
from hoibench.geometry import is_rigid, resize_intrinsics
from hoibench.store.records import parse_record

_NEAR_MIDDLE = (0.3, 0.7)
"""Range of a principal point, as a fraction of the image's side; TACO's 12 cameras are between 0.37 and 0.64."""
_RESOLUTIONS = ((4096, 3000), (2048, 1500), (1024, 750), (512, 376))
"""Known (width, height) of copies of TACO."""
_FOCAL_RATIO = 1.05
"""Largest ratio of fx and fy: pixels are square, and copies are resized to integer sizes."""
_FOCAL_CHANGE = 1.6
"""Largest ratio of a camera's focal lengths on different dates: allows refocusing, detects another resolution."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """One camera as in calibration.json: K (3, 3) in pixels of an image of ``size`` (H, W); x_cam = R x_world + t, metres, OpenCV axes.

    Distortion coefficients in the file are not applied: TACO's own code ignores them, and they diverge away from the image centre.
    """

    K: Array
    R: Array
    t: Array
    size: tuple[int, int]

    def camera(self, size: tuple[int, int]) -> Camera:
        """Return the camera for a video of ``size`` (H, W), with K in that video's pixels.

        A video smaller than its calibration's imgSize was resized with aligned pixel areas, so K is too (``geometry.resize_intrinsics``).
        A larger video means that the calibration is of a resized copy; such copies scale K by the ratio of sizes, which is undone here.
        """
        if math.prod(size) <= math.prod(self.size):
            return Camera(resize_intrinsics(self.K, self.size, size), self.R, self.t, size)
        ratio = np.array([size[1] / self.size[1], size[0] / self.size[0], 1.0])
        return Camera(self.K * ratio[:, None], self.R, self.t, size)


def read_calibration(path: Path) -> dict[str, Calibration]:
    """Read calibration.json and return serial -> camera; K and R may be flat or nested lists.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not JSON, or a camera is incomplete, not finite or not rigid, or its K is of another image size than its
            imgSize or of another camera; names file, serial and value.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download Allocentric_Camera_Parameters.zip")
    try:
        table = json.loads(path.read_bytes(), object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): unpack Allocentric_Camera_Parameters.zip again") from error
    if not isinstance(table, dict) or not all(isinstance(entry, dict) for entry in table.values()):
        raise ValueError(f"{path} is not a JSON object of cameras by serial")
    return {serial: _read_camera(f"{path}: camera {serial}", serial, entry) for serial, entry in sorted(table.items())}


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"duplicate key {next(name for name in names if names.count(name) > 1)!r}")
    return table


def _array_validator(*shape: int) -> BeforeValidator:
    """Return a validator that converts flat or nested numbers to a float64 array of this shape."""

    def to_array(value: Any) -> Array:
        try:
            array = np.asarray(value, dtype=np.float64).reshape(shape)
        except (TypeError, ValueError):
            raise ValueError(f"{value!r} is not an array of shape {shape}") from None
        if not np.isfinite(array).all():
            raise ValueError("has NaN or infinity")
        return array

    return BeforeValidator(to_array)


class _Entry(BaseModel):
    """One camera of a calibration.json; other keys are ignored.

    ``cropped`` is a key of ours: K is that of a part of the camera's image, so neither its focal length nor its principal point are the camera's.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    K: Annotated[Array, _array_validator(3, 3)]
    R: Annotated[Array, _array_validator(3, 3)]
    T: Annotated[Array, _array_validator(3)]
    imgSize: Annotated[Array, _array_validator(2)]
    cropped: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.imgSize < 1.0).any():
            raise ValueError(f"imgSize is {self.imgSize.tolist()}, expected [width, height] in pixels")
        if not (self.K[0, 0] > 0.0 and self.K[1, 1] > 0.0) or not np.array_equal(self.K[2], [0.0, 0.0, 1.0]):
            raise ValueError(f"K is {self.K.tolist()}, expected positive focal lengths and a last row 0, 0, 1")
        if not is_rigid(self.R):
            raise ValueError(f"R is not a rotation: {self.R.tolist()}")
        return self


def _read_camera(where: str, serial: str, table: Any) -> Calibration:
    entry = parse_record(_Entry, table, where)
    width, height = (int(n) for n in entry.imgSize)
    camera = Calibration(entry.K, entry.R, entry.T, (height, width))
    if not entry.cropped:
        _check_resolution(where, entry.K, width, height)
        _check_focal(where, serial, camera)
    return camera


def _check_resolution(where: str, K: Array, width: int, height: int) -> None:
    """Raise ValueError unless K's principal point is near the centre of the image (imgSize); else K is of another resolution."""
    centre = K[:2, 2]
    relative = centre / [width, height]
    low, high = _NEAR_MIDDLE
    if (relative >= low).all() and (relative <= high).all():
        return
    fits = [size for size in _RESOLUTIONS if all(low <= c / n <= high for c, n in zip(centre, size, strict=True))]
    sizes = " or ".join(f"{w}x{h}" for w, h in fits) or f"about {2 * centre[0]:.0f}x{2 * centre[1]:.0f}"
    raise ValueError(
        f"{where}: K is of another resolution: its principal point ({centre[0]:.1f}, {centre[1]:.1f}) is far from the centre of imgSize "
        f"{width}x{height} but fits {sizes}: unpack Allocentric_Camera_Parameters.zip of the same copy as the videos"
    )


def _check_focal(where: str, serial: str, camera: Calibration) -> None:
    """Raise ValueError unless fx and fy are similar and, for a known camera, close to its focal length in rig.toml."""
    fx, fy = camera.K[0, 0], camera.K[1, 1]
    pose = rig().cameras.get(serial)
    usual = fx if pose is None else pose.focal * camera.size[1] / RIG_COLUMNS
    if not (1.0 / _FOCAL_RATIO <= fx / fy <= _FOCAL_RATIO and 1.0 / _FOCAL_CHANGE <= fx / usual <= _FOCAL_CHANGE):
        raise ValueError(
            f"{where}: K has focal lengths {fx:.1f} and {fy:.1f} px at imgSize {camera.size[1]}x{camera.size[0]}, expected about {usual:.1f}: "
            "K belongs to another camera or resolution; unpack Allocentric_Camera_Parameters.zip again"
        )
