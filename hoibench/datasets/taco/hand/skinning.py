"""Linear blend skinning of a hand with MANO's skeleton (Loper et al. 2015, SMPL, section 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray

_FINGERS_IN_ORDER = np.array([0, 13, 14, 15, 1, 2, 3, 4, 5, 6, 10, 11, 12, 7, 8, 9])
"""Indices that reorder MANO's 16 joints (wrist, index, middle, little, ring, thumb) to wrist, thumb, index, middle, ring, little."""
_TIPS_IN_PLACE = np.array([0, 1, 2, 3, 16, 4, 5, 6, 17, 7, 8, 9, 18, 10, 11, 12, 19, 13, 14, 15, 20])


def rotations(axis_angle: FloatArray) -> FloatArray:
    """Convert axis-angle vectors (..., 3) to rotation matrices (..., 3, 3) by Rodrigues' formula."""
    angle = np.linalg.norm(axis_angle, axis=-1)[..., None, None]
    safe = np.maximum(angle, 1e-12)
    x, y, z = np.moveaxis(axis_angle / safe[..., 0], -1, 0)
    o = np.zeros_like(x)
    cross = np.stack([o, -z, y, z, o, -x, -y, x, o], axis=-1).reshape(*x.shape, 3, 3)
    return np.asarray(np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross))


def skin(
    turns: FloatArray, rest: FloatArray, rest_joints: FloatArray, parents: NDArray[np.int64], weights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return posed vertices (N, P, 3) and joints (N, J, 3) in N frames, relative to the first joint.

    Args:
        turns: (N, J, 3, 3) rotation of each joint relative to its parent.
        rest: (P, 3) or (N, P, 3) vertices at rest.
        rest_joints: (J, 3) joints at rest.
        parents: (J,) parent of each joint, before it in order; -1 for the first.
        weights: (P, J) skinning weights of the joints at each vertex; rows sum to 1.
    """
    count = len(parents)
    world_R = np.empty_like(turns)
    world_t = np.empty((len(turns), count, 3))
    for j, parent in enumerate(parents):
        if parent < 0:
            world_R[:, j], world_t[:, j] = turns[:, j], 0.0
        else:
            world_R[:, j] = world_R[:, parent] @ turns[:, j]
            world_t[:, j] = world_t[:, parent] + world_R[:, parent] @ (rest_joints[j] - rest_joints[parent])
    offset = world_t - (world_R @ rest_joints[:, :, None])[..., 0]
    motion = np.concatenate([world_R, offset[..., None]], axis=-1).reshape(len(turns), count, 12)
    blended = (weights @ motion).reshape(len(turns), -1, 3, 4)
    return (blended[..., :3] @ rest[..., None])[..., 0] + blended[..., 3], world_t


def with_tips(joints: FloatArray, tips: FloatArray) -> FloatArray:
    """Return joints (N, 21, 3) from MANO's joints (N, 16, 3) and tips (N, 5, 3): wrist, then each finger's joints and tip, from the thumb."""
    return np.concatenate([joints[:, _FINGERS_IN_ORDER], tips], axis=1)[:, _TIPS_IN_PLACE]
