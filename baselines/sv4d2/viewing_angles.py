"""Viewing angles: the directions from which cameras look at a scene, as azimuth and elevation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoibench.clip import Array, Camera
from hoibench.geometry import optical_centre


def viewing_angles(cameras: Sequence[Camera]) -> tuple[Array, Array]:
    """Return the (C,) azimuths and elevations in degrees of C cameras, at frame 0, about the point that is nearest to all their optical axes.

    The vertical is the direction to which the cameras' x axes are the most orthogonal, so no axis of the world needs to be vertical; it is exact for
    cameras without roll.  The azimuth, -180 to 180, is 0 for the first camera, and grows counter-clockwise as seen from above.

    Raises:
        ValueError: the optical axes are parallel.
    """
    R, t = (
        np.stack(part).astype(np.float64) for part in zip(*(camera.extrinsics(0) for camera in cameras), strict=True)
    )
    centres = optical_centre(R, t)
    off_axis = np.eye(3) - R[:, 2, :, None] * R[:, 2, None, :]
    if np.linalg.cond(off_axis.sum(axis=0)) > 1e6:
        raise ValueError("the optical axes of all cameras are parallel: they look at no common point")
    target = np.linalg.solve(off_axis.sum(axis=0), (off_axis @ centres[..., None]).sum(axis=0))[:, 0]

    y_up = -R[:, 1].mean(axis=0)
    # The second term decides only where all x axes are parallel.
    _, axes = np.linalg.eigh(R[:, 0].T @ R[:, 0] - 1e-6 * np.outer(y_up, y_up))
    up = axes[:, 0] * np.sign(axes[:, 0] @ y_up)
    outwards = centres - target
    height = outwards @ up
    level = outwards - height[:, None] * up
    sine, cosine = np.cross(level[0], level) @ up, level @ level[0]
    return np.degrees(np.arctan2(sine, cosine)), np.degrees(np.arctan2(height, np.linalg.norm(level, axis=1)))
