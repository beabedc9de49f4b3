"""Cameras of the synthetic rig, hung where TACO's hang and looking at the common look-at point."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.taco.rig import RIG_COLUMNS, rig

SIZE = (128, 192)
"""(H, W) of a synthetic image."""

TRIO = ("22139909", "22139916", "22139946")
"""Left, center, right: of the trios with one camera a cluster, the one with the widest view of the table whose pairs are at most 45 degrees apart."""

SOURCE_CAMERA = "22139910"
"""The camera outside the trio that video-to-video methods may see."""


def build_camera(serial: str, size: tuple[int, int] = SIZE) -> Camera:
    """One camera in the rig frame (that of recording date 20230927), with the horizontal field of view of TACO's.

    Raises:
        ValueError: the rig has no such camera.
    """
    rig().cluster(serial)
    mount = rig().cameras[serial]
    height, width = size
    focal = mount.focal * width / RIG_COLUMNS
    K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    outward = _outward(mount.azimuth, mount.elevation)
    R = _looking(-outward)
    return Camera(K, R, -R @ (np.asarray(rig().look_at) + mount.distance * outward), size)


def _outward(azimuth: float, elevation: float) -> Array:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])


def _looking(forward: Array) -> Array:
    """The upright world-to-camera rotation (3, 3) of a camera that looks along ``forward``: x right, y down, z forward."""
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
