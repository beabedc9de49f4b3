"""Reader of TACO's recorded hand poses and hand shapes."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.taco.hand.hand_cache import cached_parse
from hoibench.store.torch_pickle import read_torch_pickle

Side = Literal["left", "right"]
SIDES: tuple[Side, ...] = ("left", "right")

_FRAME_ID = re.compile(r"0{0,9}([1-9][0-9]{0,8})")
_FRAME_FILE = re.compile(r"hand_([0-9]+)\.pkl")
_LAST_FRAME = 100_000
"""An hour at 30 fps; a larger id is an error."""
_FIX = "unpack Hand_Poses.zip again"


_LARGEST_TURN = 4.0 * np.pi
"""Largest rotation of a joint, in radians; a longer vector is in other units."""
_LARGEST_BETA = 20.0
"""Largest shape coefficient, in standard deviations."""


@dataclass(frozen=True, eq=False)
class HandPose:
    """Poses of one hand over N frames, in MANO's parametrisation (flat hand mean, no PCA); rows that were not recorded are NaN.

    Attributes:
        side: ``left`` or ``right``.
        theta: (N, 48) rotations as axis-angle vectors, radians: of the whole hand, then of 15 joints.
        trans: (N, 3) position of the wrist joint in the world, metres.
        betas: (10,) shape coefficients.
    """

    side: Side
    theta: Array
    trans: Array
    betas: Array


def read_hand(folder: Path, side: Side) -> HandPose:
    """Read the poses of one hand from ``{side}_hand.pkl`` and its shape from ``{side}_hand_shape.pkl`` (zeros if missing).

    Also reads the older form, a folder ``{side}_hand`` with one pickle per frame (leolyliu/TACO-Instructions:
    dataset_utils/hand_pose_loader.py).  Row i is frame id i + 1; N is the last id.  Missing ids and rows with non-finite values are NaN rows.

    Raises:
        FileNotFoundError: the poses are missing.
        ValueError: a file is damaged, has other shapes or no recorded frame, or its pickle names objects other than
            tensors; the message names file, frame and value.
    """
    path = folder / f"{side}_hand.pkl"
    if path.is_file():
        rows = cached_parse(path, _read_rows)
    elif path.with_suffix("").is_dir():
        path = path.with_suffix("")
        rows = _rows(path, _frame_files(path))
    else:
        raise FileNotFoundError(f"{path} is missing: download Hand_Poses.zip")
    theta, trans = _in_order(rows)
    turns = np.linalg.norm(theta.reshape(len(theta), 16, 3), axis=2)
    if (turns > _LARGEST_TURN).any():  # False for NaN
        frame = int(np.argwhere(turns > _LARGEST_TURN)[0, 0])
        raise ValueError(
            f"{path}: frame {frame + 1} rotates a joint by {np.nanmax(turns[frame]):.3g}: hand_pose is not in radians; {_FIX}"
        )
    if np.isnan(theta).all():
        raise ValueError(f"{path}: none of its {len(theta)} frames was recorded: {_FIX}, or exclude the sequence")
    return HandPose(side, theta, trans, _read_shape(folder / f"{side}_hand_shape.pkl"))


def _in_order(rows: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return the poses (N, 48) and wrist positions (N, 3) of frames 1 to N from ``_rows``; NaN in missing and in non-finite rows."""
    ids = rows["ids"]
    values = np.full((ids.max(), 51), np.nan)
    values[ids - 1] = np.concatenate([rows["theta"], rows["trans"]], axis=1)
    values[~np.isfinite(values).all(axis=1)] = np.nan
    return values[:, :48].copy(), values[:, 48:].copy()


def _read_rows(path: Path) -> dict[str, Array]:
    frames = read_torch_pickle(path)
    if not isinstance(frames, dict) or not frames:
        raise ValueError(f"{path} is not a dict of frames: {_FIX}")
    return _rows(path, iter(frames.items()))


def _frame_files(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("*.pkl")):
        match = _FRAME_FILE.fullmatch(path.name)
        if match is None:
            raise ValueError(
                f"{path} has an unexpected name, expected the form hand_00001.pkl: move it out of the folder"
            )
        yield match[1], read_torch_pickle(path)


def _rows(path: Path, frames: Iterator[tuple[object, Any]]) -> dict[str, Array]:
    """Return arrays by name: the frames' numbers ``ids`` (F,), sorted, their poses ``theta`` (F, 48) and wrist positions ``trans`` (F, 3)."""
    found: dict[int, tuple[Array, Array]] = {}
    for key, table in frames:
        number = _frame_number(path, key)
        if number in found:
            raise ValueError(f"{path} has duplicate frame {number}: {_FIX}")
        where = f"{path}: frame {key!r}"
        found[number] = _field(where, table, "hand_pose", 48), _field(where, table, "hand_trans", 3)
    if not found:
        raise ValueError(f"{path} has no frames: {_FIX}")
    ids = sorted(found)
    theta, trans = (np.stack([found[number][column] for number in ids]) for column in (0, 1))
    return {"ids": np.array(ids), "theta": theta, "trans": trans}


def _frame_number(path: Path, key: object) -> int:
    match = _FRAME_ID.fullmatch(str(key))
    if match is None or int(match[1]) > _LAST_FRAME:
        expected = f"expected '00001' to '{_LAST_FRAME}'"
        raise ValueError(f"{path} has a frame named {reprlib.repr(key)}, {expected}: {_FIX}")
    return int(match[1])


def _read_shape(path: Path) -> Array:
    # TACO's own reader also uses the mean shape if the file is missing.
    betas = _field(str(path), read_torch_pickle(path), "hand_shape", 10) if path.is_file() else np.zeros(10)
    if not np.isfinite(betas).all():
        raise ValueError(f"{path}: hand_shape has NaN or infinity: {_FIX}")
    if np.abs(betas).max() > _LARGEST_BETA:
        raise ValueError(
            f"{path}: hand_shape has {np.abs(betas).max():.3g}, expected at most {_LARGEST_BETA:g}: {_FIX}"
        )
    return betas.astype(np.float64)


def _field(where: str, table: Any, name: str, length: int) -> Array:
    value = table.get(name) if isinstance(table, Mapping) else None
    if not isinstance(value, np.ndarray) or value.size != length:
        shape = getattr(value, "shape", None)
        raise ValueError(f"{where}: {name} has shape {shape}, expected ({length},): {_FIX}")
    return value.reshape(length)
