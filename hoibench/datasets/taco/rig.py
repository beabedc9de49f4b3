"""TACO's 12 fixed cameras, in three clusters."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from hoibench.clip import Cluster
from hoibench.store.records import Record, read_toml

RIG_COLUMNS = 4096
"""Image width in pixels of the focal lengths of ``CameraPose``."""


class CameraPose(Record):
    """The pose of one camera about the rig's look-at point.

    Attributes:
        cluster: left, center or right, by azimuth.
        focal: pixels at 4096 image columns.
        azimuth, elevation: degrees; azimuth 0 is +y, facing the actor, increasing towards +x.
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
        """Return the cluster of a camera.

        Raises:
            ValueError: the serial is unknown; lists the known ones.
        """
        try:
            return self.cameras[serial].cluster
        except KeyError:
            known = ", ".join(sorted(self.cameras))
            raise ValueError(f"camera serial {serial!r} is not one of TACO's 12: {known}") from None


@cache
def rig() -> CameraRig:
    """Return the camera rig described in rig.toml."""
    return read_toml(CameraRig, files("hoibench.datasets.taco") / "rig.toml")
