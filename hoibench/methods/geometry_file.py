"""The geometry file of a worker: an npz file with point maps and what belongs to them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from hoibench.clip import Array, check_float, check_mask, check_shape
from hoibench.methods.exchange import check_file
from hoibench.store import read_npz


@dataclass(frozen=True, eq=False)
class Geometry:
    """The arrays of a geometry file; a file has those that its method makes.

    Attributes:
        points: (N, h, w, 3) float positions at each pixel.
        depth: (N, h, w) float z at each pixel in the camera's frame, for a method that makes no ``points``; it needs ``K``.
        valid: (N, h, w) bool, false where ``points``, ``depth`` and ``flow`` mean nothing; None means that all are valid.
        flow: (N, h, w, 3) float scene flow, i.e. the motion of the point at each pixel until the next frame.
        K: (3, 3) or (N, 3, 3) intrinsics in pixels of the maps.
        T_world_from_cam: (N, 4, 4) camera-to-world matrices.
    """

    points: Array | None = None
    depth: Array | None = None
    valid: Array | None = None
    flow: Array | None = None
    K: Array | None = None
    T_world_from_cam: Array | None = None


def read_geometry(path: Path, frames: int, size: tuple[int, int] | None = None) -> Geometry:
    """Return the arrays of a worker's geometry file.

    Args:
        path: the file.
        frames: the expected number of frames N.
        size: the expected (h, w) of the maps; None for any.

    Raises:
        FileNotFoundError: the worker has not written it.
        ValueError: it is no complete npz file, an array is unknown or has a wrong shape, or valid points have NaN or infinity; names file, array,
            value and expectation.
    """
    arrays = read_npz(check_file(path))
    if unknown := sorted(arrays.keys() - {field.name for field in fields(Geometry)}):
        raise ValueError(f"{path.name}: unknown array {unknown[0]!r}")
    for name, array in arrays.items():
        per_frame = name != "K" or array.ndim == 3
        if per_frame and array.ndim and len(array) != frames:
            raise ValueError(f"{path.name}: {name} has {len(array)} frames, expected {frames}")
        try:
            _check_array(name, array, frames, size)
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
    geometry = Geometry(**arrays)
    for name in ("points", "depth", "flow", "K", "T_world_from_cam"):
        array = getattr(geometry, name)
        if array is None:
            continue
        bad = ~np.isfinite(array) if name == "depth" else ~np.isfinite(array).all(axis=-1)
        is_map = name in ("points", "depth", "flow")
        if is_map and geometry.valid is not None:
            if geometry.valid.shape != bad.shape:
                raise ValueError(f"{path.name}: valid has shape {geometry.valid.shape}, but {name} {array.shape}")
            bad &= geometry.valid
        if bad.any():
            fix = "; mark them in `valid`" if is_map else ""
            raise ValueError(f"{path.name}: {name} has NaN or infinity at {int(bad.sum())} of {bad.size} places{fix}")
    return geometry


def _check_array(name: str, array: Array, frames: int, size: tuple[int, int] | None) -> None:
    grid = size or ("h", "w")
    shapes: dict[str, tuple[int | str, ...]] = {
        "points": (frames, *grid, 3), "depth": (frames, *grid), "valid": (frames, *grid), "flow": (frames, *grid, 3),
        "T_world_from_cam": (frames, 4, 4), "K": (3, 3) if array.ndim == 2 else (frames, 3, 3),
    }  # fmt: skip
    if name == "valid":
        check_mask(name, array, shapes[name])
    else:
        check_float(name, array)
        check_shape(name, array, shapes[name])
