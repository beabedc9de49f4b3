"""TACO's 12 fixed cameras, in three clusters: left, center and right."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from math import acos, cos, degrees, radians, sin

from hoibench.clip import Cluster
from hoibench.store.records import Record, read_toml

RIG_COLUMNS = 4096
"""Width in pixels of the images to which the focal lengths of ``CameraPose`` refer."""


class CameraPose(Record):
    """The pose of one camera, which looks at the rig's look-at point, and its focal length.

    Attributes:
        cluster: left, center or right, by azimuth.
        focal: pixels at 4096 image columns.
        azimuth, elevation: direction from the look-at point to the camera, degrees; azimuth 0 is +y, facing the actor, increasing towards +x.
        distance: metres from the look-at point to the camera.
    """

    cluster: Cluster
    focal: float
    azimuth: float
    elevation: float
    distance: float


class CameraRig(Record):
    """TACO's cameras, in the world frame of recording date 20230927: z up, metres, the actor at -y.

    Attributes:
        look_at: the point that all cameras look at.
        table_height: z of the table.
        cameras: serial -> pose.
    """

    look_at: tuple[float, float, float]
    table_height: float
    cameras: dict[str, CameraPose]

    def cluster(self, serial: str) -> Cluster:
        """Return the cluster (left, center or right) of the camera with this serial.

        Raises:
            ValueError: the serial is unknown; lists the known ones.
        """
        try:
            return self.cameras[serial].cluster
        except KeyError:
            known = ", ".join(sorted(self.cameras))
            raise ValueError(f"camera serial {serial!r} is not one of TACO's 12: {known}") from None

    def angle(self, first: str, second: str) -> float:
        """Return the angle in degrees between two cameras, given by serial, as seen from the look-at point."""
        one, two = self.cameras[first], self.cameras[second]
        heights = radians(one.elevation), radians(two.elevation)
        turn = cos(radians(one.azimuth - two.azimuth))
        cosine = sin(heights[0]) * sin(heights[1]) + cos(heights[0]) * cos(heights[1]) * turn
        return degrees(acos(min(1.0, max(-1.0, cosine))))


@cache
def rig() -> CameraRig:
    """Return TACO's camera rig, read from rig.toml."""
    return read_toml(CameraRig, files("hoibench.datasets.taco") / "rig.toml")
