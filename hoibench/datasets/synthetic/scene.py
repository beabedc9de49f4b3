"""A two-handed scene: objects, hands and their motion, before any camera looks at it.

The frame is TACO's rig frame of recording date 20230927: metres, z up, the actor at -y facing +y, the table top at z = 0.55, the cameras' common
look-at point at (0.07, -0.01, 0.67).  Whoever writes a clip of another date moves everything by one rigid transform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hoibench.datasets.synthetic.catalogue import Triplet, catalogue, make_prop
from hoibench.datasets.synthetic.solids import lathe, tube, union
from hoibench.datasets.taco.proxy_hand import Side

Array = NDArray[np.float64]

TABLE_ORIGIN = np.array([0.07, -0.01, 0.55])
"""The point of the table top under the look-at point; motions are planned around it."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices (P, 3) float64, metres, in the object's frame; faces (F, 3) int32, outward normals; watertight."""

    vertices: Array
    faces: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object and its motion: ``id`` of three digits, ``category``, ``mesh``, ``poses`` (N, 4, 4) object-to-world."""

    id: str
    category: str
    mesh: Mesh
    poses: Array


@dataclass(frozen=True, eq=False)
class HandMotion:
    """Parameters of the proxy hand: ``theta`` (N, 48) axis-angle, ``trans`` (N, 3) wrist in the world in metres, ``betas`` (10,)."""

    side: Side
    theta: Array
    trans: Array
    betas: Array


@dataclass(frozen=True, eq=False)
class Scene:
    """One clip's worth of truth: (tool, action, target), the two objects and hands, and the table top's world z."""

    triplet: Triplet
    tool: SceneObject
    target: SceneObject
    hands: Mapping[Side, HandMotion]
    table_height: float
    fps: float
    frames: int


def build_scene(
    triplet: Triplet, tool_instance: int, target_instance: int, seed: int, frames: int = 25, fps: float = 8.0
) -> Scene:
    """The scene of a triplet; the same arguments give the same bytes."""
    t = np.arange(frames) / fps
    z0 = 0.003
    bowl = lathe(np.array([(0, 0), (0.04, 0), (0.07, 0.05), (0.067, 0.05), (0.038, 0.004), (0, 0.004)]))
    spoon = union(
        tube(np.array([(0.02, 0, 0), (0.2, 0, 0.0)]), np.array([(0.004, 0.003), (0.007, 0.005)])),
        lathe(np.array([(0, -0.006), (0.016, -0.003), (0.02, 0.002), (0.016, 0.003), (0, 0.003)])),
    )
    still = np.tile(np.eye(4), (frames, 1, 1))
    still[:, :3, 3] = TABLE_ORIGIN + [-0.03, 0.03, 0.0]
    pitch, yaw = -0.7, -0.8
    c, s = np.cos(pitch), np.sin(pitch)
    cy, sy = np.cos(yaw), np.sin(yaw)
    turn = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]]) @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    moving = still.copy()
    moving[:, :3, :3] = turn
    angle = 2 * np.pi * t / 1.5
    moving[:, :3, 3] += np.stack([0.025 * np.cos(angle), 0.025 * np.sin(angle), np.full(frames, 0.012 + z0)], axis=1)
    hands: dict[Side, HandMotion] = {
        "right": HandMotion("right", np.zeros((frames, 48)), moving[:, :3, 3] + turn @ [0.15, 0, 0.03], np.zeros(10)),
        "left": HandMotion("left", np.zeros((frames, 48)), still[:, :3, 3] + [-0.2, -0.05, 0.04], np.zeros(10)),
    }
    return Scene(
        triplet,
        SceneObject("041", triplet[0], Mesh(spoon.vertices, spoon.faces), moving),
        SceneObject("001", triplet[2], Mesh(bowl.vertices, bowl.faces), still),
        hands,
        float(TABLE_ORIGIN[2]),
        fps,
        frames,
    )
