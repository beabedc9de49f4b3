"""Cameras of synthetic clips, at the positions of TACO's 12 cameras and directed at their common look-at point."""

from __future__ import annotations

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.datasets.taco.rig import RIG_COLUMNS, rig
from hoibench.geometry import project, to_camera

SIZE = (128, 192)
"""(H, W) of a synthetic image."""

MARGIN = 0.15
"""Share of the extent of hands and objects that is added to it in an image."""

TRIO = ("22139909", "22139916", "22139946")
"""Serials of the three scored cameras, left, center and right: the trio with the widest view whose pairs are at most 45 degrees apart."""

SOURCE_CAMERA = "22139910"
"""Serial of the camera whose video is the input of video-to-video methods; it is not in the trio."""


def build_camera(serial: str, size: tuple[int, int] = SIZE) -> Camera:
    """Build the camera with the serial of a TACO camera: at its place, with its horizontal field of view, and with images of ``size`` (H, W).

    Extrinsics are relative to the rig frame, i.e. the world frame of recording date 20230927.

    Raises:
        ValueError: the rig has no such camera.
    """
    rig().cluster(serial)  # raises ValueError for an unknown camera
    mount = rig().cameras[serial]
    height, width = size
    focal = mount.focal * width / RIG_COLUMNS
    K = np.array([[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]])
    outward = _outward(mount.azimuth, mount.elevation)
    R = _look_rotation(-outward)
    return Camera(K, R, -R @ (np.asarray(rig().look_at) + mount.distance * outward), size)


def zoom_to(camera: Camera, points: Array) -> Camera:
    """Return the camera with an image that shows ``points``: the crop with the image's aspect around their projections, enlarged to its size.

    Args:
        camera: a static camera.
        points: (P, 3) metres, in front of the camera.  ``MARGIN`` of their extent is added to it, half on each side.
    """
    pixels = project(to_camera(points, camera.R, camera.t), camera.K)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    size = np.array(camera.size[::-1], dtype=np.float64)
    zoom = float((size / ((1.0 + MARGIN) * (high - low))).min())
    K = camera.K * np.array([[zoom], [zoom], [1.0]])
    K[:2, 2] += (size - 1.0) / 2.0 - zoom * (low + high) / 2.0
    return Camera(K, camera.R, camera.t, camera.size)


def _outward(azimuth: float, elevation: float) -> Array:
    a, e = np.radians(azimuth), np.radians(elevation)
    return np.array([np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)])


def _look_rotation(forward: Array) -> Array:
    """Return the rotation (3, 3) from world to camera of an upright camera that looks along ``forward`` (3,): x right, y down, z forward."""
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])
