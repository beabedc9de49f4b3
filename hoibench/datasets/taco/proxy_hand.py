"""``hoibench-proxy``: an articulated hand with MANO's parametrisation and array sizes, and none of MANO's data.

It lets synthetic clips be written in TACO's layout and read back without a MANO licence.  As in MANO, used the way TACO does (research/taco.md 2):
778 vertices, 1538 faces, 21 joints; the pose layout (3 global axis-angle numbers, then 3 for each joint of index, middle, little, ring, thumb); the
flat rest pose; the rest axes (right fingers along -x, palm to -y, thumb to +z; the left hand mirrored in x); the wrist-centred output; the
fingertips' vertex numbers 745, 317, 444, 556, 673.  Shape, betas and the other vertex numbers are its own: real parameters mean nothing to it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import check_shape
from hoibench.datasets.taco.proxy_mesh import build

Array = NDArray[np.float64]
Side = Literal["left", "right"]

HAND_MODEL = "hoibench-proxy"
_T = build()

FACES: dict[str, NDArray[np.int32]] = {"left": _T.faces[:, ::-1].copy(), "right": _T.faces}
"""(1538, 3) triangles of each side, counter-clockwise from outside; the wrist is open along 16 edges."""

_JOINT_ORDER = np.array(
    [0, 13, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9]
)  # wrist, thumb, index, middle, ring, little
_WITH_TIPS = np.array([0, 1, 2, 3, 16, 4, 5, 6, 17, 7, 8, 9, 18, 10, 11, 12, 19, 13, 14, 15, 20])


def vertices(side: Side, theta: Array, trans: Array, betas: Array) -> Array:
    """Surface of a hand in every frame.

    Args:
        side: ``left`` or ``right``.
        theta: (N, 48) axis-angle, radians: global, then 15 joints.
        trans: (N, 3) wrist joint in the world, metres.
        betas: (10,) shape, about unit normal.

    Returns:
        (N, 778, 3) metres, world.

    Raises:
        ValueError: an array has another shape, or the side is unknown.
    """
    posed, _ = _pose(side, theta, trans, betas)
    return posed


def joints(side: Side, theta: Array, trans: Array, betas: Array) -> Array:
    """(N, 21, 3) wrist, then thumb, index, middle, ring, little: three joints and the tip each; arguments as ``vertices``."""
    posed, chain = _pose(side, theta, trans, betas)
    return np.concatenate([chain[:, _JOINT_ORDER], posed[:, _T.tips]], axis=1)[:, _WITH_TIPS]


def rotations(axis_angle: Array) -> Array:
    """(..., 3, 3) rotation matrices of (..., 3) axis-angle vectors, by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    safe = np.maximum(angle, 1e-12)
    x, y, z = np.moveaxis(axis_angle / safe[..., 0], -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def _pose(side: Side, theta: Array, trans: Array, betas: Array) -> tuple[Array, Array]:
    """Posed vertices (N, 778, 3) and joints (N, 16, 3) by linear blend skinning."""
    check_shape("theta", theta, ("N", 48))
    check_shape("trans", trans, (len(theta), 3))
    check_shape("betas", betas, (10,))
    if side not in FACES:
        raise ValueError(f"side is {side!r}, expected 'left' or 'right'")
    mirror = np.array([-1.0, 1.0, 1.0]) if side == "left" else np.ones(3)
    # A reflection in x keeps the x part of a rotation vector and turns the others round.
    turns = rotations(theta.reshape(len(theta), 16, 3) * mirror * mirror[0])
    rest = _T.vertices + _T.shape @ betas
    rest_joints = _T.joints + _T.joint_shape @ betas

    world_R = np.empty_like(turns)
    world_t = np.empty((len(theta), 16, 3))
    for j, parent in enumerate(_T.parents):
        if parent < 0:
            world_R[:, j], world_t[:, j] = turns[:, j], 0.0
        else:
            world_R[:, j] = world_R[:, parent] @ turns[:, j]
            world_t[:, j] = world_t[:, parent] + world_R[:, parent] @ (rest_joints[j] - rest_joints[parent])
    offset = world_t - (world_R @ rest_joints[:, :, None])[..., 0]
    motion = np.concatenate([world_R, offset[..., None]], axis=-1).reshape(len(theta), 16, 12)
    blended = (_T.weights @ motion).reshape(len(theta), -1, 3, 4)
    posed = (blended[..., :3] @ rest[:, :, None])[..., 0] + blended[..., 3]
    return posed * mirror + trans[:, None], world_t * mirror + trans[:, None]
