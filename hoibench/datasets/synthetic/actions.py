"""One motion program per TACO action: the motion of the tool as a function of time and of the dimensions of the objects.

Programs use the work frame: its origin is above the middle of the target at working height, ``a`` points to the tool's handle (for a vessel, from
the target to the tool), ``b`` is to the left of ``a``, and ``z`` is up.  Every program starts at phase 0, and its period depends on the action alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hoibench.datasets.synthetic.objects.object_model import Family

Array = NDArray[np.float64]


@dataclass(frozen=True)
class WorkDimensions:
    """Dimensions of the objects that programs use, in metres.

    Attributes:
        family: how the tool is held.
        radius: maximum distance of the tool from the middle of the work area.
        beside: distance of the objects' middles when the tool is next to the target.
        pouring: distance of the objects' middles when the tool's lip is over the middle of the target.
        rim: height of the target's highest point above the work area.
        floor: height of the table above the work area (negative).
        lip: height of the tool's lip above its bottom.
    """

    family: Family
    radius: float
    beside: float
    pouring: float
    rim: float
    floor: float
    lip: float


@dataclass(frozen=True, eq=False)
class ToolMotion:
    """The motion that a program returns.

    Attributes:
        path: (N, 3) position of the tool's origin along (a, b, z), in metres.
        pitch: (N,) rotation about the tool's y axis, in radians; positive raises the end at -x.
        roll: (N,) rotation about the tool's x axis, in radians.
        gap: distance of the path above its lowest possible height, in metres; 0 if the tool touches the target.
        shake: (N,) motion of the target along a by the left hand, in metres; the tool follows.
        turn: (N,) rotation of the target on the table by the left hand, in radians; the tool follows.
    """

    path: Array
    pitch: Array
    roll: Array
    gap: float
    shake: Array
    turn: Array


MotionProgram = Callable[[Array, WorkDimensions], ToolMotion]


def _motion(
    t: Array,
    a: Array | float,
    b: Array | float,
    z: Array | float,
    *,
    pitch: Array | float = 0.0,
    roll: Array | float = 0.0,
    gap: float = 0.0,
    shake: Array | float = 0.0,
    turn: Array | float = 0.0,
) -> ToolMotion:
    x = [np.broadcast_to(np.asarray(x, dtype=np.float64), t.shape) for x in (a, b, z, pitch, roll, shake, turn)]
    return ToolMotion(np.stack(x[:3], axis=1), x[3], x[4], gap, x[5], x[6])


def _cycle(t: Array, period: float) -> Array:
    return 2.0 * np.pi * t / period


def _ease(t: Array, start: float, end: float) -> Array:
    """Return 0 before ``start``, 1 after ``end``, and a smooth transition in between."""
    x = np.clip((t - start) / (end - start), 0.0, 1.0)
    return np.asarray(x * x * (3.0 - 2.0 * x))


def brush(t: Array, s: WorkDimensions) -> ToolMotion:
    """Stroke away from the handle and back."""
    return _motion(t, 0.5 * (0.03 + 1.1 * s.radius) * np.cos(_cycle(t, 1.0)), 0.0, 0.0)


def dust(t: Array, s: WorkDimensions) -> ToolMotion:
    """Make wide, slightly lifted strokes across the handle's direction."""
    phase = _cycle(t, 1.5)
    return _motion(
        t,
        0.0,
        0.5 * (0.04 + 1.3 * s.radius) * np.cos(phase),
        0.006 * np.sin(phase) ** 2,
        turn=0.10 * np.sin(_cycle(t, 3.0)),
    )


def scrape_off(t: Array, s: WorkDimensions) -> ToolMotion:
    """Pull towards the handle, then lift and return."""
    phase = _cycle(t, 1.5)
    away = 0.5 - 0.5 * np.cos(phase)
    lift = np.maximum(-np.sin(phase), 0.0) ** 2
    reach = 0.03 + 1.1 * s.radius
    return _motion(t, reach * (away - 0.5), 0.0, 0.025 * lift, pitch=0.12 * lift)


def cut(t: Array, s: WorkDimensions) -> ToolMotion:
    """Saw and chop while moving across the target."""
    phase = _cycle(t, 0.75)
    up = 0.5 - 0.5 * np.cos(phase)
    across = 0.8 * s.radius * (0.5 - t / 3.0)
    return _motion(t, -0.022 * np.sin(phase), across, 0.024 * up, pitch=0.12 * up)


def stir(t: Array, s: WorkDimensions) -> ToolMotion:
    """Circle around the middle of the target."""
    phase = _cycle(t, 1.0)
    radius = 0.004 + 0.42 * s.radius
    return _motion(t, radius * np.cos(phase), radius * np.sin(phase), 0.0)


def stir_fry(t: Array, s: WorkDimensions) -> ToolMotion:
    """Push away, scoop up and toss back, in a vertical ellipse."""
    phase = _cycle(t, 0.75)
    up = np.maximum(np.sin(phase), 0.0) ** 2
    return _motion(
        t, 0.5 * (0.02 + 0.8 * s.radius) * np.cos(phase), 0.0, 0.03 * up, pitch=0.25 * up, shake=-0.008 * np.sin(phase)
    )


def skim_off(t: Array, s: WorkDimensions) -> ToolMotion:
    """Skim across the surface, then lift and swing back."""
    phase = _cycle(t, 1.5)
    up = np.maximum(-np.sin(phase), 0.0) ** 2
    return _motion(t, 0.0, 0.5 * (0.03 + 1.0 * s.radius) * np.cos(phase), 0.035 * up, pitch=0.10 * up, roll=0.25 * up)


def smear(t: Array, s: WorkDimensions) -> ToolMotion:
    """Make small circles while moving across the target."""
    phase = _cycle(t, 1.0)
    radius = 0.006 + 0.22 * s.radius
    return _motion(
        t,
        radius * np.cos(phase),
        radius * np.sin(phase) + 0.9 * s.radius * (0.5 - t / 3.0),
        0.0,
        turn=0.08 * np.sin(_cycle(t, 3.0)),
    )


def measure(t: Array, s: WorkDimensions) -> ToolMotion:
    """Slide lengthwise over the target, pause, and slide back."""
    progress = _ease(t, 0.0, 1.25) - _ease(t, 1.75, 3.0)
    return _motion(t, (0.06 + 1.2 * s.radius) * (0.5 - progress), 0.0, 0.0)


def hit(t: Array, s: WorkDimensions) -> ToolMotion:
    """Rise and strike."""
    up = np.abs(np.sin(0.5 * _cycle(t, 0.75))) ** 1.5
    return _motion(t, 0.012 * up, 0.0, (0.030 + 0.8 * s.radius) * up, pitch=0.35 * up)


def screw(t: Array, s: WorkDimensions) -> ToolMotion:
    """Come down on the target and rotate back and forth about the shaft."""
    down = 1.0 - _ease(t, 0.0, 0.75)
    return _motion(
        t,
        (0.02 + 0.4 * s.radius) * down,
        0.0,
        (0.035 + 0.5 * s.radius) * down,
        roll=-0.45 * (1.0 - np.cos(_cycle(t, 0.75))),
    )


def put_in(t: Array, s: WorkDimensions) -> ToolMotion:
    """Carry something from next to the target, tip it in, and return half-way."""
    inside, back, tip = _ease(t, 0.0, 1.25), _ease(t, 2.125, 3.0), _ease(t, 1.0, 1.625) - _ease(t, 1.875, 2.375)
    return _carry(t, s, inside - 0.5 * back, tip)


def put_out(t: Array, s: WorkDimensions) -> ToolMotion:
    """Take something out of the target, tip it out next to it, and return half-way."""
    away, back, tip = _ease(t, 0.125, 1.375), _ease(t, 2.125, 3.0), _ease(t, 1.125, 1.75) - _ease(t, 1.875, 2.375)
    return _carry(t, s, 1.0 - away + 0.5 * back, tip)


def pour_in_some(t: Array, s: WorkDimensions) -> ToolMotion:
    """Lift the vessel from next to the target, tilt it over the middle for a moment, and return it upright."""
    over, tip = _ease(t, 0.0, 1.0), _ease(t, 0.875, 1.5) - _ease(t, 1.875, 2.5)
    return _pour(t, s, over - 0.5 * _ease(t, 2.25, 3.0), 0.85 * tip)


def empty(t: Array, s: WorkDimensions) -> ToolMotion:
    """Lift the vessel over the target, tilt it far, and shake out the rest."""
    over, tip = _ease(t, 0.0, 1.0), _ease(t, 0.875, 1.75)
    shake = 0.18 * np.sin(_cycle(t, 0.5)) ** 2 * _ease(t, 1.75, 1.875)
    return _pour(t, s, over, 1.25 * tip - shake)


def _carry(t: Array, s: WorkDimensions, inside: Array, tip: Array) -> ToolMotion:
    """Move a tool from next to the target (``inside`` 0) to its middle (1), in an arc over the rim."""
    if s.family == "vessel":
        return _pour(t, s, inside, 0.9 * tip)
    outside = 1.0 - inside
    arc = 4.0 * inside * outside
    return _motion(
        t, 0.75 * s.beside * outside, 0.0, (s.rim + 0.015) * outside + (0.3 * s.rim + 0.015) * arc, roll=0.8 * tip
    )


def _pour(t: Array, s: WorkDimensions, over: Array, tilt: Array) -> ToolMotion:
    """Move a vessel from next to the target (``over`` 0) to its lip above the middle (1), first up, then across."""
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
"""Action -> motion program; programs take times t (N,) in seconds from the start."""
