"""TACO's 12 fixed cameras and the three clusters that views are drawn from."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from hoibench.clip import Cluster

RIG_COLUMNS = 4096
"""Image columns that the focal lengths of ``Mount`` are for."""


@dataclass(frozen=True)
class Mount:
    """Where one camera hangs, about the rig's look-at point.

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


@dataclass(frozen=True)
class Rig:
    """The cameras by serial, in the frame of recording date 20230927: z up, metres, the actor at -y."""

    look_at: tuple[float, float, float]
    table_height: float
    cameras: dict[str, Mount]

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
def rig() -> Rig:
    """The rig as rig.toml describes it."""
    table = tomllib.loads(files("hoibench.datasets.taco").joinpath("rig.toml").read_text(encoding="utf-8"))
    cameras = {serial: Mount(**mount) for serial, mount in table["cameras"].items()}
    return Rig(tuple(table["look_at"]), table["table_height"], cameras)
