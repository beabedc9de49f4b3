"""TACO's 12 fixed cameras and the three clusters that views are drawn from."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from hoibench.clip import Cluster
from hoibench.store.records import Record, read_toml

RIG_COLUMNS = 4096
"""Image columns that the focal lengths of ``CameraPose`` are for."""


class CameraPose(Record):
    """The pose of one camera about the rig's look-at point.

    Attributes:
        cluster: the side of the actor it looks from.
        focal: pixels at 4096 image columns.
        azimuth, elevation: degrees; azimuth 0 is +y, facing the actor, and grows towards +x.
        distance: metres.
    """

    cluster: Cluster
    focal: float
    azimuth: float
    elevation: float
    distance: float


class CameraRig(Record):
    """The cameras by serial, in the frame of recording date 20230927: z up, metres, the actor at -y."""

    look_at: tuple[float, float, float]
    table_height: float
    cameras: dict[str, CameraPose]

    def cluster(self, serial: str) -> Cluster:
        """The cluster of a serial.

        Raises:
            ValueError: the rig has no such camera; lists those it has.
        """
        try:
            return self.cameras[serial].cluster
        except KeyError:
            known = ", ".join(sorted(self.cameras))
            raise ValueError(f"camera serial {serial!r} is not one of TACO's 12: {known}") from None


@cache
def rig() -> CameraRig:
    """The rig as rig.toml describes it."""
    return read_toml(CameraRig, files("hoibench.datasets.taco") / "rig.toml")
