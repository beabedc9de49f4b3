"""Whether hands and objects are where the cameras look: poses of another recording, frame or unit are not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from hoibench.clip import PARTS, Camera
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.visibility import in_image
from hoibench.geometry import optical_centre

_FARTHEST = 4.0
"""Metres from a camera at which nothing of the workspace lies: the rig's cameras hang 1.4 to 2.1 m from its middle."""


def check_in_sight(key: str, surfaces: Sequence[Surface], cameras: Iterable[Camera]) -> None:
    """Raise ValueError unless some vertex of every part is, in some frame, in the image of one of the cameras and within 4 m of it.

    Args:
        key: of the sequence, for the error.
        surfaces: over N frames, NaN where a part was not recorded.
        cameras: every calibrated camera of the sequence, whether its video is there or not.
    """
    cameras = tuple(cameras)
    for surface in surfaces:
        if not any(_sees(camera, surface) for camera in cameras):
            raise ValueError(
                f"sequence {key}: the {PARTS[surface.part]} is in no camera's image in any frame: its poses are of another recording or not in "
                "metres; unpack its zip again, or drop the sequence"
            )


def _sees(camera: Camera, surface: Surface) -> bool:
    points = surface.vertices.reshape(-1, 3)
    distance = np.linalg.norm(points - optical_centre(camera.R, camera.t), axis=1)
    near = points[distance <= _FARTHEST]  # false for NaN
    return bool(in_image(near, camera).any())
