"""``hoibench-proxy``: an articulated hand with MANO's parametrisation and array sizes, and none of MANO's data.

It lets synthetic clips be written in TACO's layout and read back without a MANO licence.  As in MANO, used the way TACO does (research/taco.md 2):
778 vertices, 1538 faces, 21 joints; the pose layout (3 global axis-angle numbers, then 3 for each joint of index, middle, little, ring, thumb); the
flat rest pose; the rest axes (right fingers along -x, palm to -y, thumb to +z; the left hand mirrored in x); the wrist-centred output; the
fingertips' vertex numbers 745, 317, 444, 556, 673.  Shape, betas and the other vertex numbers are its own: real parameters mean nothing to it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import check_shape
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.proxy_mesh import build
from hoibench.datasets.taco.hand.skinning import rotations, skin, with_tips

Array = NDArray[np.float64]

HAND_MODEL = "hoibench-proxy"
_T = build()

FACES: dict[str, NDArray[np.int32]] = {"left": _T.faces[:, ::-1].copy(), "right": _T.faces}
"""(1538, 3) triangles of each side, counter-clockwise from outside; the wrist is open along 16 edges."""


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
    return with_tips(chain, posed[:, _T.tips])


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
    posed, chain = skin(turns, rest, rest_joints, _T.parents, _T.weights)
    return posed * mirror + trans[:, None], chain * mirror + trans[:, None]
