"""Build a two-handed scene: objects, hands and their motion, without cameras.

Scenes use TACO's rig frame of recording date 20230927: metres, z up, the actor at -y facing +y, the table top at z = 0.55, and the common look-at
point of the cameras at (0.07, -0.01, 0.67).  Files of a clip use the world frame of the clip's date, see ``world_frames``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.actions import MOTION_PROGRAMS
from hoibench.datasets.synthetic.catalogue import catalogue, make_object
from hoibench.datasets.synthetic.choreography import ADJUSTMENTS, Choreography, plan_choreography, target_motion
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
from hoibench.datasets.synthetic.reach import DISTANCE, Reach, action_times, move_away, resting_share
from hoibench.datasets.taco.download import Triplet
from hoibench.datasets.taco.hand import proxy_hand
from hoibench.datasets.taco.hand.hand_pose import SIDES, HandPose, Side

TABLE_ORIGIN = np.array([0.07, -0.01, 0.55])
"""Point on the table top below the look-at point; the origin of planned motions."""
IN_CONTACT = 0.0015
"""Largest distance of a tool to its target, metres, at which they count as in contact."""
PERSON_COUNT = 4
"""Number of people; each has a different hand shape."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A watertight mesh: vertices (P, 3) float64 in the object's frame, in metres; faces (F, 3) int32 with outward normals."""

    vertices: FloatArray
    faces: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object and its motion: three-digit ``id``, ``category``, ``mesh``, and ``poses`` (N, 4, 4) from object to rig frame, in metres."""

    id: str
    category: str
    mesh: Mesh
    poses: FloatArray


@dataclass(frozen=True, eq=False)
class Scene:
    """The content of one clip in the rig frame: triplet (tool, action, target), both objects and hands, and the table's height in metres."""

    triplet: Triplet
    tool: SceneObject
    target: SceneObject
    hands: Mapping[Side, HandPose]
    table_height: float
    fps: float
    frames: int


def build_scene(
    triplet: Triplet,
    tool_instance: int,
    target_instance: int,
    seed: int,
    frames: int = 25,
    fps: float = 8.0,
    reach: Reach | None = None,
) -> Scene:
    """Build a scene with the objects, hands and motion of a triplet (tool, action, target); equal arguments give equal bytes.

    The right hand holds the tool and the left hand holds the target, which is on the table, in all frames or as ``reach`` says; while a hand of
    ``reach`` is away, both objects rest.  The seed determines the person, positions and headings, and at most a tenth of the motion; everything else
    follows from the triplet and the object instances.

    Raises:
        ValueError: the triplet or an instance is not in the ``catalogue``.
    """
    known = catalogue()
    if triplet not in known.triplets:
        near = difflib.get_close_matches(" ".join(triplet), [" ".join(t) for t in known.triplets])
        raise ValueError(
            f"no scene for (tool, action, target) {triplet!r}; nearest: {', '.join(near) or known.triplets[0]}"
        )
    tool_id, target_id = known.object_id(triplet[0], tool_instance), known.object_id(triplet[2], target_instance)
    tool, target = make_object(triplet[0], tool_instance), make_object(triplet[2], target_instance)
    seeds = [seed, int(tool_id), int(target_id), sorted(MOTION_PROGRAMS).index(triplet[1])]
    person = int(np.random.default_rng(seeds).integers(PERSON_COUNT))
    right = _person_grasp(triplet[0], tool_instance, "right", person)
    left = _person_grasp(triplet[2], target_instance, "left", person)
    t = np.arange(frames) / fps
    held = t if reach is None else reach.held_seconds(t)
    times = t if reach is None else action_times(held)
    best = np.inf
    for adjustment in ADJUSTMENTS:
        if adjustment.lean > 0.0 and tool.family != "stick":
            continue
        rng = np.random.default_rng([*seeds, 1])
        plan = plan_choreography(tool, target, triplet[1], times, rng, adjustment)
        offset, distance = _lower(plan, tool, target, right, left, person)
        if distance < best:
            best, choreography, poses = distance, plan, plan.tool.copy()
            poses[:, 2, 3] += offset
            if reach is not None and "right" in reach.hands:
                at_rest = plan.tool[times.argmin()][None]
                lowest, _ = _lower(Choreography(plan.target, at_rest, 0.0), tool, target, right, left, person)
                poses[:, 2, 3] -= (offset - lowest) * resting_share(times)
        if plan.gap > 0.0 or best < IN_CONTACT:
            break
    to_rig = np.eye(4)
    to_rig[:3, 3] = TABLE_ORIGIN
    tool_poses, target_poses = (to_rig @ p for p in (target_motion(choreography) @ poses, choreography.target))
    hands: dict[Side, HandPose] = {
        "left": _hand_motion("left", left, target_poses, person),
        "right": _hand_motion("right", right, tool_poses, person),
    }
    if reach is not None:
        distances = dict(zip(SIDES, np.random.default_rng([*seeds, 2]).uniform(*DISTANCE, len(SIDES)), strict=True))
        if "left" in reach.hands:
            hands["left"] = move_away(hands["left"], left, target_poses, held, distances["left"])
        if "right" in reach.hands:
            hands["right"] = move_away(hands["right"], right, tool_poses, held, distances["right"])
    tool_object = SceneObject(tool_id, triplet[0], Mesh(tool.solid.vertices, tool.solid.faces), tool_poses)
    target_object = SceneObject(target_id, triplet[2], Mesh(target.solid.vertices, target.solid.faces), target_poses)
    return Scene(triplet, tool_object, target_object, hands, float(TABLE_ORIGIN[2]), fps, frames)


@cache
def _betas(person: int, side: Side) -> FloatArray:
    """Return the shape parameters (10,) of a person's hand; left and right differ slightly, as in TACO."""
    common = np.random.default_rng([0, person]).normal(0.0, 0.6, 10)
    return np.clip(common + np.random.default_rng([1 + SIDES.index(side), person]).normal(0.0, 0.1, 10), -1.5, 1.5)


@cache
def _person_grasp(category: str, instance: int, side: Side, person: int) -> Grasp:
    """Return a person's grasp of an object, by the right hand as a tool or by the left hand as a target.

    Raises:
        ValueError: the object has no grip for this hand.
    """
    model = make_object(category, instance)
    grip = model.use if side == "right" else model.steady
    if grip is None:
        raise ValueError(f"{category} has no grip for the {side} hand: define it in objects/, or correct triplets.toml")
    return close_hand(model.solid, grip, side, _betas(person, side))


def _lower(
    choreography: Choreography, tool: ObjectModel, target: ObjectModel, right: Grasp, left: Grasp, person: int
) -> tuple[float, float]:
    """Return the offset that raises or lowers the tool's path to contact, and the tool's least distance to the target, metres."""
    still, poses = choreography.target[0], choreography.tool
    tool_points, target_points = sample_surface(tool.solid), sample_surface(target.solid)
    right_skin, left_skin = _skin("right", right, person), _skin("left", left, person)
    tool_to_target = [
        moving_against_still(tool_points, poses, still, target.solid.distance),
        still_against_moving(target_points, still, poses, tool.solid.distance),
    ]
    others = [
        points_above_table(np.concatenate([tool_points, right_skin]), poses),
        moving_against_still(right_skin, poses, still, target.solid.distance),
        still_against_moving(left_skin, still, poses, tool.solid.distance),
        hand_to_hand(right_skin, poses, left_skin, still),
    ]
    offset = lower_to_contact([*tool_to_target, *others])
    return offset + choreography.gap, min(float(query.distances(offset).min()) for query in tool_to_target)


def _skin(side: Side, grasp: Grasp, person: int) -> FloatArray:
    """Return the vertices (778, 3) of a grasping hand's skin in the object's frame, in metres."""
    theta = np.concatenate([axis_angle(grasp.rotation[None])[0], grasp.fingers])
    skin: FloatArray = proxy_hand.vertices(side, theta[None], grasp.wrist[None], _betas(person, side))[0]
    return skin


def _hand_motion(side: Side, grasp: Grasp, poses: FloatArray, person: int) -> HandPose:
    """Return the motion of a hand that holds an object which moves with ``poses`` (N, 4, 4), object to rig frame."""
    turn = axis_angle(poses[:, :3, :3] @ grasp.rotation)
    theta = np.concatenate([turn, np.tile(grasp.fingers, (len(poses), 1))], axis=1)
    return HandPose(side, theta, poses[:, :3, 3] + poses[:, :3, :3] @ grasp.wrist, _betas(person, side))
