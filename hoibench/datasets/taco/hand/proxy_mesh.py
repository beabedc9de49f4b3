"""The template of the proxy hand: its smoothed surface at rest, with skeleton, skinning weights and shape directions, in MANO's axes.

The axes (u, d, w) of ``proxy_surface`` become -x, y and z.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray
from hoibench.datasets.taco.hand.proxy_surface import CHAINS, FINGERS, surface, unit


@dataclass(frozen=True, eq=False)
class Template:
    """The right proxy hand at rest, with the wrist joint at the origin, in MANO's axes.

    Attributes:
        vertices: (778, 3) metres.
        faces: (1538, 3) int32, counter-clockwise from outside.
        joints: (16, 3) metres: wrist, then three joints per finger in the order of ``FINGERS``.
        parents: (16,) parent of each joint, -1 for the wrist.
        weights: (778, 16) skinning weights of the joints at each vertex; rows sum to 1.
        tips: (5,) indices of the fingertip vertices of thumb, index, middle, ring, little.
        shape: (778, 3, 10) displacement of each vertex for one unit of each shape coefficient.
        joint_shape: (16, 3, 10) displacement of each joint for one unit of each shape coefficient.
    """

    vertices: FloatArray
    faces: NDArray[np.int32]
    joints: FloatArray
    parents: NDArray[np.int64]
    weights: FloatArray
    tips: NDArray[np.int64]
    shape: FloatArray
    joint_shape: FloatArray


def build_template() -> Template:
    """Build the template of the proxy hand, the same in every run, in a few milliseconds."""
    vertices, faces, loops, tips = surface()
    vertices = _relax(vertices, faces, loops["free"], rounds=4)
    joints = np.concatenate([[np.zeros(3)], *(CHAINS[f].joints()[:3] for f in FINGERS)])
    weights = _weights(vertices, loops)
    shape = _shape_directions(vertices, weights)
    joint_weights = np.eye(16)
    joint_shape = _shape_directions(joints, joint_weights)
    order = _mano_tip_order(len(vertices), tips)
    rank = np.argsort(order)
    return Template(
        vertices=_to_mano(vertices[order]),
        faces=rank[faces].astype(np.int32),
        joints=_to_mano(joints),
        parents=np.array([-1, *(0 if k == 0 else 3 * f + k for f in range(5) for k in range(3))]),
        weights=weights[order],
        tips=rank[tips],
        shape=_to_mano(shape.swapaxes(1, 2)).swapaxes(1, 2)[order],
        joint_shape=_to_mano(joint_shape.swapaxes(1, 2)).swapaxes(1, 2),
    )


def _to_mano(points: FloatArray) -> FloatArray:
    return np.asarray(points * np.array([-1.0, 1.0, 1.0]))


def _relax(vertices: FloatArray, faces: NDArray[np.int64], free: NDArray[np.int64], rounds: int) -> FloatArray:
    """Return the vertices (P, 3) after moving those in ``free`` (indices) half-way to the mean of their neighbours ``rounds`` times."""
    link = np.zeros((len(vertices), len(vertices)))
    for a, b in ((0, 1), (1, 2), (2, 0)):
        link[faces[:, a], faces[:, b]] = link[faces[:, b], faces[:, a]] = 1.0
    link /= link.sum(axis=1, keepdims=True)
    out = vertices.copy()
    for _ in range(rounds):
        out[free] = 0.5 * (out[free] + (link @ out)[free])
    return out


def _smooth(x: FloatArray) -> FloatArray:
    t = np.clip(x, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def _weights(vertices: FloatArray, groups: dict[str, NDArray[np.int64]]) -> FloatArray:
    """Return skinning weights (778, 16): fingers by distance along their bones, palm and web blended into the fingers' first bones.

    Args:
        vertices: (778, 3) in the axes of ``proxy_surface``.
        groups: finger, or ``free`` for palm and web -> vertex indices.
    """
    out = np.zeros((len(vertices), 16))
    out[:, 0] = 1.0
    free = groups["free"]
    pull = np.zeros((len(free), 5))
    for f, finger in enumerate(FINGERS):
        chain = CHAINS[finger]
        axis = unit(chain.direction)
        offset = vertices - np.asarray(chain.knuckle)
        along = offset @ axis
        lateral = np.linalg.norm(offset - along[:, None] * axis, axis=1)
        own = groups[finger]
        second, third = (_smooth((along[own] - k) / 0.012 + 0.5) for k in np.cumsum(chain.bones)[:2])
        out[own, 0] = 0.0
        out[own, 3 * f + 1 : 3 * f + 4] = np.stack([1.0 - second, second - second * third, second * third], axis=1)
        reach, spread = (0.034, 0.019) if finger == "thumb" else (0.026, 0.010)
        pull[:, f] = _smooth(along[free] / reach + 0.35) * np.exp(-((lateral[free] / spread) ** 2))
    share = pull / np.maximum(pull.sum(axis=1, keepdims=True), 1.0)
    out[free, 1::3] = share
    out[free, 0] = 1.0 - share.sum(axis=1)
    return out


def _shape_directions(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the displacements (P, 3, 10) of points for one unit of each shape coefficient.

    The coefficients are size, length, width, thickness at the heel of the hand, length and girth of the fingers, and length of four single fingers.
    """
    scale = np.stack([points * s for s in ([0.04] * 3, [0.03, 0, 0], [0, 0, 0.04])], axis=-1)
    heel = points * [0, 0.12, 0] * np.exp(-((points[:, :1] / 0.05) ** 2))
    longer = np.zeros((len(points), 3, 6))
    for f, finger in enumerate(FINGERS):
        chain = CHAINS[finger]
        axis, knuckle = unit(chain.direction), np.asarray(chain.knuckle)
        own = weights[:, 3 * f + 1 : 3 * f + 4].sum(axis=1, keepdims=True)
        along = ((points - knuckle) @ axis)[:, None]
        stretch = 0.04 * own * np.maximum(along, 0.0) * axis
        girth = 0.05 * own * (points - knuckle - along * axis)
        single = {"thumb": 2, "index": 3, "ring": 4, "little": 5}.get(finger)
        longer[:, :, 0] += stretch
        longer[:, :, 1] += girth
        if single is not None:
            longer[:, :, single] += stretch
    return np.concatenate([scale, heel[..., None], longer], axis=-1)


def _mano_tip_order(count: int, tips: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a permutation (count,) of the vertices that gives the fingertips ``tips`` (5,) the numbers that they have in MANO's mesh."""
    order = np.arange(count)
    for number, tip in zip((745, 317, 444, 556, 673), tips, strict=True):
        current = int(np.flatnonzero(order == tip)[0])
        order[number], order[current] = order[current], order[number]
    return order
