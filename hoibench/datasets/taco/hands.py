"""Hand poses and shapes, as recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoibench.clip import Array
from hoibench.store.torch_pickle import read_torch_pickle

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")


@dataclass(frozen=True, eq=False)
class HandPose:
    """One hand over N frames, in MANO's parametrisation (flat hand mean, no PCA).

    Attributes:
        theta: (N, 48) axis-angle, radians: global, then 15 joints.
        trans: (N, 3) wrist joint in the world, metres.
        betas: (10,) shape.
    """

    side: Side
    theta: Array
    trans: Array
    betas: Array


def read_hand(folder: Path, side: Side) -> HandPose:
    """The pose of one hand from ``{side}_hand.pkl`` and, zeros where it is absent, the shape from ``{side}_hand_shape.pkl``.

    Raises:
        FileNotFoundError: the pose file is missing.
        ValueError: a file is broken or holds other shapes; names file, frame and value.
    """
    path = folder / f"{side}_hand.pkl"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download Hand_Poses.zip")
    frames = read_torch_pickle(path)
    if not isinstance(frames, dict) or not frames:
        raise ValueError(f"{path} holds no dict of frames")
    theta = [_field(path, frame, frames[frame], "hand_pose", 48) for frame in sorted(frames)]
    trans = [_field(path, frame, frames[frame], "hand_trans", 3) for frame in sorted(frames)]
    return HandPose(side, np.stack(theta), np.stack(trans), _read_shape(folder / f"{side}_hand_shape.pkl"))


def _read_shape(path: Path) -> Array:
    # TACO's own reader takes the mean shape where the file is missing.
    return _field(path, "shape", read_torch_pickle(path), "hand_shape", 10) if path.is_file() else np.zeros(10)


def _field(path: Path, frame: object, table: Any, name: str, length: int) -> Array:
    value = table.get(name) if isinstance(table, Mapping) else None
    if not isinstance(value, np.ndarray) or value.size != length:
        shape = getattr(value, "shape", None)
        raise ValueError(f"{path}: frame {frame!r}: {name} has shape {shape}, expected ({length},)")
    return value.reshape(length).astype(np.float64)
