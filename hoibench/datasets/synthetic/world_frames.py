"""World frames of synthetic clips: as in TACO, each recording date has a frame of its own."""

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
    """A world frame in world_frames.toml: the rotation about z in degrees and translation in metres from the rig frame."""

    yaw: float
    origin: tuple[float, float, float]


class _DateTable(RootModel[dict[str, _Frame]]):
    """The content of world_frames.toml: date -> frame."""


@dataclass(frozen=True, eq=False)
class WorldFrame:
    """The world frame of a date, as a rigid transform from the rig frame: x_world = R x_rig + t; R (3, 3), t (3,) in metres."""

    R: Array
    t: Array

    def transform_points(self, rig: Array) -> Array:
        """Return the world coordinates of points (..., 3) that are given in the rig frame, in metres."""
        world: Array = rig @ self.R.T + self.t
        return world

    def transform_poses(self, rig: Array) -> Array:
        """Return poses (N, 4, 4) that map an object's frame to the world frame, given those that map it to the rig frame."""
        transform = np.eye(4)
        transform[:3, :3], transform[:3, 3] = self.R, self.t
        world: Array = transform @ rig
        return world

    def transform_axis_angles(self, rig: Array) -> Array:
        """Return rotations of a hand relative to the world frame, given those relative to the rig frame; axis-angle (N, 3) in radians."""
        world: Array = (Rotation.from_matrix(self.R) * Rotation.from_rotvec(rig)).as_rotvec()
        return world

    def transform_camera(self, rig: Camera) -> Camera:
        """Return the same camera with extrinsics relative to the world frame, given one with extrinsics relative to the rig frame."""
        R = rig.R @ self.R.T
        return Camera(rig.K, R, rig.t - R @ self.t, rig.size)


def world_frame(date: str) -> WorldFrame:
    """Return the world frame of a recording date, YYYYMMDD."""
    frame = _table()[date]
    R = Rotation.from_euler("z", frame.yaw, degrees=True).as_matrix()
    return WorldFrame(R, np.array(frame.origin))


def recording_dates() -> tuple[str, ...]:
    """Return the recording dates of synthetic clips, YYYYMMDD."""
    return tuple(_table())


@cache
def _table() -> dict[str, _Frame]:
    return read_toml(_DateTable, files("hoibench.datasets.synthetic") / "world_frames.toml").root
