"""``hoibench-proxy``: an articulated hand with MANO's parametrisation and array sizes, without MANO's data.

Synthetic clips in TACO's layout use it, so that they need no MANO licence.  As in MANO, in TACO's usage:
778 vertices, 1538 faces, 21 joints; the pose layout (3 global axis-angle numbers, then 3 for each joint of index, middle, little, ring, thumb); the
flat rest pose; the rest axes (right fingers along -x, palm to -y, thumb to +z; the left hand mirrored in x); the wrist-centred output; the
fingertips' vertex numbers 745, 317, 444, 556, 673.  Shape, betas and the other vertex numbers differ: real shape parameters are not meaningful.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray
from hoibench.datasets.taco.hand.hand_pose import Side
from hoibench.datasets.taco.hand.proxy_mesh import build_template
from hoibench.datasets.taco.hand.skinning import rotations, skin, with_tips

HAND_MODEL = "hoibench-proxy"
_TEMPLATE = build_template()

FACES: dict[str, NDArray[np.int32]] = {"left": _TEMPLATE.faces[:, ::-1].copy(), "right": _TEMPLATE.faces}
"""Side -> triangles (1538, 3), vertex indices counter-clockwise from outside; the wrist is open along 16 edges."""


def vertices(side: Side, theta: FloatArray, trans: FloatArray, betas: FloatArray) -> FloatArray:
    """Return the vertices of the proxy hand in N frames.

    Args:
        side: ``left`` or ``right``.
        theta: (N, 48) axis-angle vectors, radians: of the whole hand, then of 15 joints.
        trans: (N, 3) position of the wrist joint in the world, metres.
        betas: (10,) shape coefficients, about unit normal.

    Returns:
        (N, 778, 3) in metres in the world; NaN where the pose is NaN.
    """
    posed, _ = _pose(side, theta, trans, betas)
    return posed


def joints(side: Side, theta: FloatArray, trans: FloatArray, betas: FloatArray) -> FloatArray:
    """Return joints (N, 21, 3) in metres in the world: wrist, then three joints and the tip of thumb, index, middle, ring and little finger.

    Takes the arguments of ``vertices``.
    """
    posed, chain = _pose(side, theta, trans, betas)
    return with_tips(chain, posed[:, _TEMPLATE.tips])


def _pose(side: Side, theta: FloatArray, trans: FloatArray, betas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return posed vertices (N, 778, 3) and joints (N, 16, 3), in metres in the world, by linear blend skinning."""
    mirror = np.array([-1.0, 1.0, 1.0]) if side == "left" else np.ones(3)
    # A reflection in x keeps the x component of a rotation vector and negates the others.
    turns = rotations(theta.reshape(len(theta), 16, 3) * mirror * mirror[0])
    rest = _TEMPLATE.vertices + _TEMPLATE.shape @ betas
    rest_joints = _TEMPLATE.joints + _TEMPLATE.joint_shape @ betas
    posed, chain = skin(turns, rest, rest_joints, _TEMPLATE.parents, _TEMPLATE.weights)
    return posed * mirror + trans[:, None], chain * mirror + trans[:, None]
