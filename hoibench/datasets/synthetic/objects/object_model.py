"""What a scene must know of an object besides its shape: how it is held, how it is used, and where it is worked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hoibench.datasets.synthetic.solids import Solid

Array = NDArray[np.float64]
Vector = tuple[float, float, float]
Family = Literal["stick", "block", "vessel"]


class SizeSampler:
    """Sizes of one instance of a category: over the instances every size takes evenly spaced values, in an order of its own."""

    def __init__(self, category: int, instance: int, instances: int) -> None:
        self._category, self._instance, self._instances = category, instance, instances
        self._drawn = 0

    def uniform(self, low: float, high: float) -> float:
        """The next size, between ``low`` and ``high``."""
        order = np.random.default_rng([self._category, self._drawn]).permutation(self._instances)
        self._drawn += 1
        return low + (high - low) * (float(order[self._instance]) + 0.5) / self._instances


@dataclass(frozen=True)
class Grip:
    """How a hand comes to an object, in the object's frame.

    Attributes:
        point: the place on the object that the palm makes for, metres.
        normal: the way the palm faces.
        thumb: the way the thumb side of the hand points, at a right angle to ``normal``.
        oblique: turn of the hand about ``normal``, radians, that brings the fingers towards ``thumb``.
        palm: how far from the wrist, and how far to the thumb side, ``point`` comes to lie, metres.
        approach: the way the hand comes; None means along ``normal``.
        curl: bend of the fingers as the hand comes, 0 (flat) to 1 (fist).
        goal: bend that the fingers then strive for; where it is less than ``curl`` they stretch, and the thumb stays aside.
        floor: height under which the hand must not reach, or None.
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
    """An object as a tool (right hand) and as a target (left hand).

    Frames: a stick or block has its working place at the origin, +z away from what it works on, a stick's handle towards +x.  Vessels and
    targets stand on z = 0 about the origin; a spout points to -x.

    Attributes:
        category: the word in the triplet.
        solid: shape in the object's frame.
        family: which kind of motion plan moves it as a tool.
        use: how the right hand holds it as a tool.
        steady: how the left hand holds it as a target that stands on the table.
        foot: radius of the part of a tool that works, metres.
        work_radius: radius of the area that tools work on, metres.
        work_height: height of that area over the table, metres.
        pitch: lean of a stick while it is used, radians, handle up.
        facing: yaw at which it stands as a target, radians.
    """

    category: str
    solid: Solid
    family: Family
    use: Grip | None = None
    steady: Grip | None = None
    foot: float = 0.0
    work_radius: float = 0.0
    work_height: float = 0.0
    pitch: float = 0.0
    facing: float = 0.0


def side_grip_of_stick(at: float, height: float, oblique: float = 0.8) -> Grip:
    """The right hand round a handle along x: palm at its right side and over it, thumb towards the working end."""
    return Grip((at, 0.0, height), (0.0, -0.60, -0.80), (-1.0, 0.0, 0.0), oblique=oblique, palm=(0.078, 0.0))


def wrap_from_right(x: float, height: float) -> Grip:
    """The right hand round an upright body or bar, thumb up, from +x."""
    return Grip((x, 0.0, height), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), palm=(0.085, 0.0))


def press_from_left(x: float, height: float) -> Grip:
    """The left hand's fingertips against something low, from -x, the palm down and the wrist a little raised."""
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
