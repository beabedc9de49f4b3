"""Plan the motion of target and tool for an action, with random variations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.actions import MOTION_PROGRAMS, ToolMotion, WorkDimensions
from hoibench.datasets.synthetic.objects.object_model import GripFamily, ObjectModel
from hoibench.datasets.taco.hand.skinning import rotations

TOOL_HEADING: dict[GripFamily, float] = {"stick": -1.0, "block": 0.4, "vessel": -0.15}
"""Mean azimuth in radians from +x: of a stick's handle, of a block's length, or of the direction from the target to a vessel."""
TARGET_POSITION: dict[GripFamily, tuple[float, float]] = {
    "stick": (-0.030, 0.045),
    "block": (-0.030, 0.045),
    "vessel": (-0.085, 0.035),
}
"""Mean position (x, y) of the target on the table, in metres from ``scene.TABLE_ORIGIN``, by the family of the tool."""
WANDER_AMPLITUDE = 0.04
"""Amplitude of the random variation of the tool's path, relative to the path's extent."""


@dataclass(frozen=True, eq=False)
class Choreography:
    """The planned motion of target and tool over N frames, before the tool is lowered to contact.

    Poses are transforms from object to a frame with its origin on the table at ``scene.TABLE_ORIGIN`` and z up, in metres.

    Attributes:
        target: (N, 4, 4) poses of the target, which the left hand holds.
        tool: (N, 4, 4) poses of the tool, if the target stayed at its first pose.
        gap: height in metres at which the tool's path is kept above first contact.
    """

    target: FloatArray
    tool: FloatArray
    gap: float


@dataclass(frozen=True)
class Adjustment:
    """A change of plan that lets a tool reach its target where a hand is in its way.

    Attributes:
        heading: radians added to the tool's heading.
        lean: radians added to the tool's lean; only sticks are leaned.
        extent: factor of the area that the tool works on.
    """

    heading: float = 0.0
    lean: float = 0.0
    extent: float = 1.0


ADJUSTMENTS = tuple(
    Adjustment(heading, lean, extent)
    for extent in (1.0, 0.6)
    for lean in (0.0, 0.2, 0.4)
    for heading in (0.0, 0.3, -0.3, 0.6, -0.6)
)
"""The adjustments in the order in which they are tried."""


def plan_choreography(
    tool: ObjectModel, target: ObjectModel, action: str, t: FloatArray, rng: np.random.Generator, adjustment: Adjustment
) -> Choreography:
    """Plan the motion of ``tool`` and ``target`` in an action, at times ``t`` (N,) in seconds; ``rng`` draws place, headings and variations."""
    place = np.append(np.asarray(TARGET_POSITION[tool.family]) + rng.uniform(-0.014, 0.014, 2), 0.0)
    yaw = target.facing + rng.uniform(-0.25, 0.25)
    heading = TOOL_HEADING[tool.family] + rng.uniform(-0.22, 0.22) + adjustment.heading
    stand = np.eye(4)
    stand[:3, :3], stand[:3, 3] = axis_rotation("z", yaw), place

    lean = axis_rotation("y", -tool.pitch - adjustment.lean)
    base = axis_rotation("z", heading) @ lean
    dimensions = _dimensions(tool, target, stand, base, heading, adjustment.extent)
    motion = MOTION_PROGRAMS[action](t, dimensions)
    path = motion.path + _wander(t, motion.path, rng)

    turn = base @ axis_rotation("y", motion.pitch) @ axis_rotation("x", motion.roll)
    pivot = _lip(tool) if tool.family == "vessel" else np.zeros(3)
    work = place + target.work_height * np.array([0.0, 0.0, 1.0])
    poses = np.tile(np.eye(4), (len(t), 1, 1))
    poses[:, :3, :3] = turn
    poses[:, :3, 3] = work + path @ axis_rotation("z", heading).T + base @ pivot - turn @ pivot
    return Choreography(_target_on_table(motion, place, heading) @ stand, poses, motion.gap)


def target_motion(choreography: Choreography) -> FloatArray:
    """Return the rigid motion (N, 4, 4) of the target from frame 0 to each frame; the tool moves with it."""
    return np.asarray(choreography.target @ np.linalg.inv(choreography.target[0]))


def axis_rotation(axis: str, angle: FloatArray | float) -> FloatArray:
    """Return rotations (..., 3, 3) about the axis ``x``, ``y`` or ``z`` by angles (...) in radians."""
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., "xyz".index(axis)] = angle
    return rotations(vector)


def _dimensions(
    tool: ObjectModel, target: ObjectModel, stand: FloatArray, base: FloatArray, heading: float, extent: float
) -> WorkDimensions:
    a = np.array([np.cos(heading), np.sin(heading), 0.0])
    target_reach = float((target.solid.vertices @ stand[:3, :3].T @ a).max())
    tool_reach = float((-(tool.solid.vertices @ base.T) @ a).max())
    rim = float(target.solid.vertices[:, 2].max()) - target.work_height
    free = max(target.work_radius - 0.6 * tool.foot, 0.4 * target.work_radius)
    return WorkDimensions(
        tool.family,
        extent * free,
        target_reach + tool_reach + 0.012,
        -float(_lip(tool)[0]),
        rim,
        -target.work_height,
        float(_lip(tool)[2]),
    )


def _lip(tool: ObjectModel) -> FloatArray:
    """Return the pouring lip (3,) of a vessel in its own frame: the lowest x of its vertices, y = 0, and the highest z near that x."""
    v = tool.solid.vertices
    edge = v[v[:, 0] < v[:, 0].min() + 0.004]
    return np.array([edge[:, 0].min(), 0.0, edge[:, 2].max()])


def _wander(t: FloatArray, path: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return a slow random horizontal displacement (N, 3) in metres, which starts at zero, to be added to ``path`` (N, 3)."""
    extent = float(np.ptp(path[:, :2], axis=0).max())
    rate, phase = rng.uniform(0.3, 0.8, 2), rng.uniform(0.0, 2.0 * np.pi, 2)
    wave = np.sin(2.0 * np.pi * rate * t[:, None] + phase) - np.sin(phase)
    return np.column_stack([WANDER_AMPLITUDE * extent * wave / 2.0, np.zeros(len(t))])


def _target_on_table(motion: ToolMotion, place: FloatArray, heading: float) -> FloatArray:
    """Return the rigid motion (N, 4, 4) of the target since frame 0: a rotation about its position ``place``, and a push along ``heading``."""
    out = np.tile(np.eye(4), (len(motion.path), 1, 1))
    out[:, :3, :3] = axis_rotation("z", motion.turn - motion.turn[0])
    push = (motion.shake - motion.shake[0])[:, None] * [np.cos(heading), np.sin(heading), 0.0]
    out[:, :3, 3] = place + push - out[:, :3, :3] @ place
    return out
