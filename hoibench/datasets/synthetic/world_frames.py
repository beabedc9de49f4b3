"""Recording dates: the world frame that a clip is written in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import RootModel
from scipy.spatial.transform import Rotation

from hoibench.clip import Array, Camera
from hoibench.store.records import Record, read_toml


class _Frame(Record):
    """A date's world frame: its turn about z in degrees, and its origin in metres."""

    yaw: float
    origin: tuple[float, float, float]


class _DateTable(RootModel[dict[str, _Frame]]):
    """world_frames.toml: date -> frame."""


@dataclass(frozen=True, eq=False)
class WorldFrame:
    """A rigid change of frame, x_world = R x_rig + t; R (3, 3), t (3,) metres."""

    R: Array
    t: Array

    def points(self, rig: Array) -> Array:
        """Points (..., 3) of the rig frame in the world."""
        world: Array = rig @ self.R.T + self.t
        return world

    def poses(self, rig: Array) -> Array:
        """Object-to-rig poses (N, 4, 4) as object-to-world."""
        change = np.eye(4)
        change[:3, :3], change[:3, 3] = self.R, self.t
        world: Array = change @ rig
        return world

    def axis_angles(self, rig: Array) -> Array:
        """Rotations (N, 3) into the rig frame, axis times angle, as rotations into the world."""
        world: Array = (Rotation.from_matrix(self.R) * Rotation.from_rotvec(rig)).as_rotvec()
        return world

    def camera(self, rig: Camera) -> Camera:
        """A camera that sees of the world what ``rig`` sees of the rig frame."""
        R = rig.R @ self.R.T
        return Camera(rig.K, R, rig.t - R @ self.t, rig.size)


def world_frame(date: str) -> WorldFrame:
    """The world frame of a date, YYYYMMDD.

    Raises:
        ValueError: nothing was recorded on that date; lists the dates.
    """
    try:
        frame = _table()[date]
    except KeyError:
        raise ValueError(f"no synthetic clip is of date {date!r}; dates: {', '.join(_table())}") from None
    R = Rotation.from_euler("z", frame.yaw, degrees=True).as_matrix()
    return WorldFrame(R, np.array(frame.origin))


def recording_dates() -> tuple[str, ...]:
    """The recording dates, YYYYMMDD."""
    return tuple(_table())


@cache
def _table() -> dict[str, _Frame]:
    return read_toml(_DateTable, files("hoibench.datasets.synthetic") / "world_frames.toml").root
