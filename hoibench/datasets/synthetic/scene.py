"""A two-handed scene: objects, hands and their motion, before any camera looks at it.

The frame is TACO's rig frame of recording date 20230927: metres, z up, the actor at -y facing +y, the table top at z = 0.55, the cameras' common
look-at point at (0.07, -0.01, 0.67).  Whoever writes a clip of another date moves everything by one rigid transform.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hoibench.datasets.synthetic.actions import MOTION_PROGRAMS
from hoibench.datasets.synthetic.catalogue import Triplet, catalogue, make_object
from hoibench.datasets.synthetic.choreography import Choreography, plan_choreography, target_motion
from hoibench.datasets.synthetic.collision import (
    hand_to_hand,
    lower_to_contact,
    moving_against_still,
    points_above_table,
    sample_surface,
    still_against_moving,
)
from hoibench.datasets.synthetic.grasp import Grasp, axis_angle, close_hand
from hoibench.datasets.synthetic.objects.object_model import ObjectModel
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES, Side

Array = NDArray[np.float64]

TABLE_ORIGIN = np.array([0.07, -0.01, 0.55])
"""The point of the table top under the look-at point; motions are planned around it."""
PERSON_COUNT = 4
"""How many people there are, each with hands of their own shape."""


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
    """The scene of a triplet (tool, action, target); the same arguments give the same bytes.

    The right hand holds the tool, the left hand the target, which stands on the table.  The seed chooses the person, where things stand, which way
    the tool comes, and at most a tenth of the motion; the rest follows from the triplet and what frame 0 shows.

    Raises:
        ValueError: the triplet or an instance is not in the ``catalogue``, or seed, frames or fps is out of range.
    """
    tool_id, target_id = _checked(triplet, tool_instance, target_instance, seed, frames, fps)
    tool, target = make_object(triplet[0], tool_instance), make_object(triplet[2], target_instance)
    rng = np.random.default_rng([seed, int(tool_id), int(target_id), sorted(MOTION_PROGRAMS).index(triplet[1])])
    person = int(rng.integers(PERSON_COUNT))
    choreography = plan_choreography(tool, target, triplet[1], np.arange(frames) / fps, rng)

    right = _held(triplet[0], tool_instance, "right", person)
    left = _held(triplet[2], target_instance, "left", person)
    up = _height(choreography, tool, target, right, left, person)
    poses = choreography.tool.copy()
    poses[:, 2, 3] += up
    to_rig = np.eye(4)
    to_rig[:3, 3] = TABLE_ORIGIN
    moved = [to_rig @ p for p in (target_motion(choreography) @ poses, choreography.target)]
    hands: dict[Side, HandMotion] = {
        "left": _hand_motion("left", left, moved[1], person),
        "right": _hand_motion("right", right, moved[0], person),
    }
    tool_object = SceneObject(tool_id, triplet[0], Mesh(tool.solid.vertices, tool.solid.faces), moved[0])
    target_object = SceneObject(target_id, triplet[2], Mesh(target.solid.vertices, target.solid.faces), moved[1])
    return Scene(triplet, tool_object, target_object, hands, float(TABLE_ORIGIN[2]), fps, frames)


def _checked(
    triplet: Triplet, tool_instance: int, target_instance: int, seed: int, frames: int, fps: float
) -> tuple[str, str]:
    """Ids of tool and target; raises ValueError for arguments out of range."""
    known = catalogue()
    if triplet not in known.triplets:
        near = difflib.get_close_matches(" ".join(triplet), [" ".join(t) for t in known.triplets])
        raise ValueError(
            f"no scene for (tool, action, target) {triplet!r}; nearest: {', '.join(near) or known.triplets[0]}"
        )
    if seed < 0 or frames < 1 or not fps > 0:
        raise ValueError(f"seed {seed}, frames {frames}, fps {fps}: need seed >= 0, frames >= 1, fps > 0")
    return known.object_id(triplet[0], tool_instance), known.object_id(triplet[2], target_instance)


@cache
def _betas(person: int, side: Side) -> Array:
    """(10,) hand shape of a person; left and right differ a little, as TACO's do."""
    common = np.random.default_rng([0, person]).normal(0.0, 0.6, 10)
    return np.clip(common + np.random.default_rng([1 + SIDES.index(side), person]).normal(0.0, 0.1, 10), -1.5, 1.5)


@cache
def _held(category: str, instance: int, side: Side, person: int) -> Grasp:
    """A person's grasp of an object: the right hand's as a tool, the left hand's as a target."""
    model = make_object(category, instance)
    grip = model.use if side == "right" else model.steady
    if grip is None:
        raise ValueError(
            f"the {side} hand has no grip for {category}: triplets.toml asks for a role that its ObjectModel does not have"
        )
    return close_hand(model.solid, grip, side, _betas(person, side))


def _height(
    choreography: Choreography, tool: ObjectModel, target: ObjectModel, right: Grasp, left: Grasp, person: int
) -> float:
    """How far the tool's path is raised or lowered to come into contact."""
    still, poses = choreography.target[0], choreography.tool
    tool_points, target_points = sample_surface(tool.solid), sample_surface(target.solid)
    right_skin, left_skin = _skin("right", right, person), _skin("left", left, person)
    queries = [
        points_above_table(np.concatenate([tool_points, right_skin]), poses),
        moving_against_still(np.concatenate([tool_points, right_skin]), poses, still, target.solid.distance),
        still_against_moving(np.concatenate([target_points, left_skin]), still, poses, tool.solid.distance),
        hand_to_hand(right_skin, poses, left_skin, still),
    ]
    return lower_to_contact(queries) + choreography.gap


def _skin(side: Side, held: Grasp, person: int) -> Array:
    """(778, 3) a grasping hand in the object's frame."""
    theta = np.concatenate([axis_angle(held.rotation[None])[0], held.fingers])
    skin: Array = proxy_hand.vertices(side, theta[None], held.wrist[None], _betas(person, side))[0]
    return skin


def _hand_motion(side: Side, held: Grasp, poses: Array, person: int) -> HandMotion:
    """A hand that moves with the object it holds."""
    turn = axis_angle(poses[:, :3, :3] @ held.rotation)
    theta = np.concatenate([turn, np.tile(held.fingers, (len(poses), 1))], axis=1)
    return HandMotion(side, theta, poses[:, :3, 3] + poses[:, :3, :3] @ held.wrist, _betas(person, side))
