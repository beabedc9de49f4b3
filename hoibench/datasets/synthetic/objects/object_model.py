"""The description of an object: its shape, the grips of the hands, and the area on which tools work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from hoibench.datasets.synthetic.solids import Solid

Vector = tuple[float, float, float]
GripFamily = Literal["stick", "block", "vessel"]


class SizeSampler:
    """Draws the sizes of one instance of an object category; over all instances, each size takes evenly spaced values in a random order."""

    def __init__(self, category: int, instance: int, instances: int) -> None:
        self._category, self._instance, self._instances = category, instance, instances
        self._drawn = 0

    def uniform(self, low: float, high: float) -> float:
        """Return the next size of this instance, between ``low`` and ``high``."""
        order = np.random.default_rng([self._category, self._drawn]).permutation(self._instances)
        self._drawn += 1
        return low + (high - low) * (float(order[self._instance]) + 0.5) / self._instances


@dataclass(frozen=True)
class Grip:
    """The approach of a hand to an object, in the object's frame.

    Attributes:
        point: target of the palm on the object, in metres.
        normal: direction that the palm faces.
        thumb: direction of the thumb side of the hand, perpendicular to ``normal``.
        oblique: rotation of the hand about ``normal`` in radians, which moves the fingers towards ``thumb``.
        palm: position in the hand of the place that meets ``point``: its distance from the wrist, and its offset to the thumb side, in metres.
        approach: direction in which the hand approaches; None means ``normal``.
        curl: bend of the fingers during the approach, from 0 (flat) to 1 (fist).
        goal: final bend of the fingers; if it is less than ``curl``, the fingers stretch and the thumb does not close.
        floor: minimum z of the hand in the object's frame, in metres, or None.
    """

    point: Vector
    normal: Vector
    thumb: Vector
    oblique: float = 0.0
    palm: tuple[float, float] = (0.080, 0.0)
    approach: Vector | None = None
    curl: float = 0.12
    goal: float = 1.0
    floor: float | None = None


@dataclass(frozen=True, eq=False)
class ObjectModel:
    """An object, which may be a tool (held by the right hand) or a target (held by the left hand).

    A stick or block has its working end at the origin, +z away from the target, and a stick's handle towards +x.  Vessels and targets are centred on
    the origin and stand on z = 0; a spout points to -x.

    Attributes:
        category: the object's word in the (tool, action, target) triplet.
        solid: shape in the object's frame.
        family: the kind of tool: with a handle (``stick``), held from above (``block``), or a ``vessel``.
        use: grip of the right hand if the object is a tool, or None.
        steady: grip of the left hand if the object is a target on the table, or None.
        foot: radius of the working end of a tool, in metres.
        work_radius: radius of the area that tools work on, in metres.
        work_height: height of that area above the table, in metres.
        pitch: inclination of a stick during use in radians, handle up.
        facing: mean yaw of the object on the table as a target, in radians.
    """

    category: str
    solid: Solid
    family: GripFamily
    use: Grip | None = None
    steady: Grip | None = None
    foot: float = 0.0
    work_radius: float = 0.0
    work_height: float = 0.0
    pitch: float = 0.0
    facing: float = 0.0


def side_grip_of_stick(at: float, height: float, oblique: float = 0.8) -> Grip:
    """Return the right hand's grip around a handle along x, at x = ``at`` and z = ``height`` metres.

    The palm is on the right of the handle and above it, the thumb towards the working end; ``oblique`` is that of ``Grip``.
    """
    return Grip((at, 0.0, height), (0.0, -0.60, -0.80), (-1.0, 0.0, 0.0), oblique=oblique, palm=(0.078, 0.0))


def wrap_from_right(x: float, height: float) -> Grip:
    """Return the right hand's grip around an upright body or bar from +x, with the palm at (``x``, 0, ``height``) metres and the thumb up."""
    return Grip((x, 0.0, height), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), palm=(0.085, 0.0))


def press_from_left(x: float, height: float) -> Grip:
    """Return the left hand's grip that presses the fingertips from -x against a low object at (``x``, 0, ``height``) metres, palm down."""
    return Grip(
        (x, 0.0, height),
        normal=(-0.36, 0.0, -0.93),
        thumb=(0.0, -1.0, 0.0),
        palm=(0.165, 0.0),
        approach=(1.0, 0.0, 0.0),
        curl=0.30,
        goal=0.02,
        floor=0.0,
    )
