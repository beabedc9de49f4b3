"""One motion program per TACO action: a function from times and the dimensions of the objects to the motion of the tool.

Programs use the work frame: its origin is above the middle of the target at working height, ``a`` points to the tool's handle (for a vessel, from
the target to the tool), ``b`` is to the left of ``a``, and ``z`` is up.  The timing of a program depends on the action alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.objects.object_model import GripFamily


@dataclass(frozen=True)
class WorkDimensions:
    """Dimensions of tool and target that motion programs use, in metres.

    Attributes:
        family: the kind of tool: with a handle (``stick``), held from above (``block``), or a ``vessel``.
        radius: maximum distance of the tool from the middle of the work area.
        beside: distance of the objects' middles when the tool is next to the target.
        pouring: distance of the objects' middles when the tool's lip is over the middle of the target.
        rim: height of the target's highest point above the work area.
        floor: height of the table above the work area (negative).
        lip: height of the tool's lip above its bottom.
    """

    family: GripFamily
    radius: float
    beside: float
    pouring: float
    rim: float
    floor: float
    lip: float


@dataclass(frozen=True, eq=False)
class ToolMotion:
    """The motion of a tool over N frames, and small motions of its target.

    Attributes:
        path: (N, 3) position of the tool along the axes (a, b, z) of the work frame, in metres.
        pitch: (N,) rotation about the tool's y axis, in radians; positive raises the end at -x.
        roll: (N,) rotation about the tool's x axis, in radians.
        gap: height in metres at which the whole path is kept above first contact of anything; 0 if the tool touches.
        shake: (N,) displacement of the target along ``a`` by the left hand, in metres; the tool moves with it.
        turn: (N,) rotation of the target on the table by the left hand, in radians; the tool moves with it.
    """

    path: FloatArray
    pitch: FloatArray
    roll: FloatArray
    gap: float
    shake: FloatArray
    turn: FloatArray


MotionProgram = Callable[[FloatArray, WorkDimensions], ToolMotion]


def _motion(
    t: FloatArray,
    a: FloatArray | float,
    b: FloatArray | float,
    z: FloatArray | float,
    *,
    pitch: FloatArray | float = 0.0,
    roll: FloatArray | float = 0.0,
    gap: float = 0.0,
    shake: FloatArray | float = 0.0,
    turn: FloatArray | float = 0.0,
) -> ToolMotion:
    x = [np.broadcast_to(np.asarray(x, dtype=np.float64), t.shape) for x in (a, b, z, pitch, roll, shake, turn)]
    return ToolMotion(np.stack(x[:3], axis=1), x[3], x[4], gap, x[5], x[6])


def _cycle(t: FloatArray, period: float) -> FloatArray:
    return 2.0 * np.pi * t / period


def _ease(t: FloatArray, start: float, end: float) -> FloatArray:
    """Return (N,) a smooth step: 0 at times ``t`` (N,) before ``start``, 1 after ``end``, with a cubic transition in between."""
    x = np.clip((t - start) / (end - start), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def brush(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of brushing: strokes away from the handle and back."""
    return _motion(t, 0.5 * (0.03 + 1.1 * s.radius) * np.cos(_cycle(t, 1.0)), 0.0, 0.0)


def dust(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of dusting: wide, slightly lifted strokes across the handle's direction, while the target rotates a little."""
    phase = _cycle(t, 1.5)
    return _motion(
        t,
        0.0,
        0.5 * (0.04 + 1.3 * s.radius) * np.cos(phase),
        0.006 * np.sin(phase) ** 2,
        turn=0.10 * np.sin(_cycle(t, 3.0)),
    )


def scrape_off(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of scraping off: a stroke across the handle's direction with the edge leaning into it, then a lifted return."""
    phase = _cycle(t, 1.5)
    lift = np.maximum(-np.sin(phase), 0.0) ** 2
    return _motion(t, 0.0, -0.5 * (0.03 + 1.1 * s.radius) * np.cos(phase), 0.03 * lift, roll=0.35)


def cut(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of cutting: chops, with a short pull in each, while moving across the target."""
    phase = _cycle(t, 0.75)
    up = 0.5 - 0.5 * np.cos(phase)
    across = 0.8 * s.radius * (0.5 - t / 3.0)
    return _motion(t, -0.010 * np.sin(phase), across, 0.045 * up, pitch=0.25 * up)


def stir(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of stirring: circles around the middle of the target."""
    phase = _cycle(t, 1.0)
    radius = 0.004 + 0.42 * s.radius
    return _motion(t, radius * np.cos(phase), radius * np.sin(phase), 0.0)


def stir_fry(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of stir-frying: moves away from the handle in an arc and back at the bottom, while the left hand shakes the target."""
    phase = _cycle(t, 0.75)
    up = np.maximum(np.sin(phase), 0.0) ** 2
    return _motion(
        t, 0.5 * (0.02 + 0.8 * s.radius) * np.cos(phase), 0.0, 0.03 * up, pitch=0.25 * up, shake=-0.008 * np.sin(phase)
    )


def skim_off(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of skimming off: a stroke across the handle's direction at working height, then a lifted, tilted return."""
    phase = _cycle(t, 1.5)
    up = np.maximum(-np.sin(phase), 0.0) ** 2
    return _motion(t, 0.0, 0.5 * (0.03 + 1.0 * s.radius) * np.cos(phase), 0.035 * up, pitch=0.10 * up, roll=0.25 * up)


def smear(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of smearing: small circles while moving across the target, which rotates a little."""
    phase = _cycle(t, 1.0)
    radius = 0.006 + 0.22 * s.radius
    return _motion(
        t,
        radius * np.cos(phase),
        radius * np.sin(phase) + 0.9 * s.radius * (0.5 - t / 3.0),
        0.0,
        turn=0.08 * np.sin(_cycle(t, 3.0)),
    )


def measure(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of measuring: the tool slides lengthwise over the target, pauses, and slides back."""
    progress = _ease(t, 0.0, 1.25) - _ease(t, 1.75, 3.0)
    return _motion(t, (0.06 + 1.2 * s.radius) * (0.5 - progress), 0.0, 0.0)


def hit(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of hitting: the tool rises with its end raised, and strikes."""
    up = np.abs(np.sin(0.5 * _cycle(t, 0.75))) ** 1.5
    return _motion(t, 0.012 * up, 0.0, (0.030 + 0.8 * s.radius) * up, pitch=0.35 * up)


def screw(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of screwing: the tool comes down on the target and rotates back and forth about its shaft."""
    down = 1.0 - _ease(t, 0.0, 0.75)
    return _motion(
        t,
        (0.02 + 0.4 * s.radius) * down,
        0.0,
        (0.035 + 0.5 * s.radius) * down,
        roll=-0.45 * (1.0 - np.cos(_cycle(t, 0.75))),
    )


def put_in(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of putting in: from next to the target to its middle, where the tool tips, and half-way back."""
    inside, back, tip = _ease(t, 0.0, 1.25), _ease(t, 2.125, 3.0), _ease(t, 1.0, 1.625) - _ease(t, 1.875, 2.375)
    return _carry(t, s, inside - 0.5 * back, tip)


def put_out(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of putting out: from the middle of the target to next to it, where the tool tips, and half-way back."""
    away, back, tip = _ease(t, 0.125, 1.375), _ease(t, 2.125, 3.0), _ease(t, 1.125, 1.75) - _ease(t, 1.875, 2.375)
    return _carry(t, s, 1.0 - away + 0.5 * back, tip)


def pour_in_some(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of pouring in some: lift the vessel over the target, tilt it for a moment, and return half-way, upright."""
    over, tip = _ease(t, 0.0, 1.0), _ease(t, 0.875, 1.5) - _ease(t, 1.875, 2.5)
    return _pour(t, s, over - 0.5 * _ease(t, 2.25, 3.0), 0.85 * tip)


def empty(t: FloatArray, s: WorkDimensions) -> ToolMotion:
    """Return the motion of emptying: lift the vessel over the target, tilt it far, and shake out the rest."""
    over, tip = _ease(t, 0.0, 1.0), _ease(t, 0.875, 1.75)
    shake = 0.18 * np.sin(_cycle(t, 0.5)) ** 2 * _ease(t, 1.75, 1.875)
    return _pour(t, s, over, 1.25 * tip - shake)


def _carry(t: FloatArray, s: WorkDimensions, inside: FloatArray, tip: FloatArray) -> ToolMotion:
    """Return the motion of a tool from next to the target (``inside`` 0) to its middle (1), in an arc over the rim, tipped by ``tip`` (0 to 1)."""
    if s.family == "vessel":
        return _pour(t, s, inside, 0.9 * tip)
    outside = 1.0 - inside
    arc = 4.0 * inside * outside
    return _motion(
        t, 0.75 * s.beside * outside, 0.0, (s.rim + 0.015) * outside + (0.3 * s.rim + 0.015) * arc, roll=0.8 * tip
    )


def _pour(t: FloatArray, s: WorkDimensions, over: FloatArray, tilt: FloatArray) -> ToolMotion:
    """Return the motion of a vessel from next to the target (``over`` 0) to its lip over the middle (1), tilted by ``tilt`` radians.

    The vessel rises faster than it moves across.
    """
    up = max(0.02, s.rim - s.floor + 0.03 - 0.7 * s.lip) * np.clip(1.6 * over, 0.0, 1.0)
    a = s.beside + (s.pouring - s.beside) * over
    return _motion(t, a, 0.0, s.floor + up, pitch=-tilt, gap=0.004)


MOTION_PROGRAMS: dict[str, MotionProgram] = {
    "brush": brush,
    "cut": cut,
    "dust": dust,
    "empty": empty,
    "hit": hit,
    "measure": measure,
    "pour in some": pour_in_some,
    "put in": put_in,
    "put out": put_out,
    "scrape off": scrape_off,
    "screw": screw,
    "skim off": skim_off,
    "smear": smear,
    "stir": stir,
    "stir-fry": stir_fry,
}
"""Action -> motion program; a program takes times ``t`` (N,) in seconds from the start of the clip."""
