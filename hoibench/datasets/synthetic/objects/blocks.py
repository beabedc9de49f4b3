"""Builders of compact objects: tools held from above, and targets on the table."""

from __future__ import annotations

import numpy as np

from hoibench.datasets.synthetic.objects.object_model import (
    Grip,
    ObjectModel,
    SizeSampler,
    press_from_left,
    wrap_from_right,
)
from hoibench.datasets.synthetic.objects.sticks import Z_TO_Y
from hoibench.datasets.synthetic.solids import lathe, prism, rounded_rectangle, transform, union


def eraser(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a blackboard eraser: a layer of felt under a block."""
    long, wide, felt, body = (
        sizes.uniform(0.085, 0.12),
        sizes.uniform(0.042, 0.052),
        sizes.uniform(0.008, 0.014),
        sizes.uniform(0.02, 0.028),
    )
    outline = rounded_rectangle(long, wide, 0.006)
    solid = union(prism(0.97 * outline, 0.0, felt), prism(outline, felt, felt + body))
    return ObjectModel("eraser", solid, "block", use=_from_above(felt + body), foot=0.45 * long)


def soap(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a bar of soap."""
    long, wide, high = sizes.uniform(0.075, 0.09), sizes.uniform(0.045, 0.055), sizes.uniform(0.024, 0.032)
    solid = prism(rounded_rectangle(long, wide, 0.4 * wide, corner=6), 0.0, high)
    return ObjectModel("soap", solid, "block", use=_from_above(high), foot=0.45 * long)


def box(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a closed carton box."""
    long, wide, high = sizes.uniform(0.06, 0.08), sizes.uniform(0.075, 0.105), sizes.uniform(0.05, 0.075)
    return ObjectModel(
        "box",
        prism(rounded_rectangle(long, wide, 0.003, corner=2), 0.0, high),
        "vessel",
        use=wrap_from_right(long / 2.0, 0.55 * high),
        steady=press_from_left(-long / 2.0, 0.028),
        facing=0.35,
        foot=0.5 * wide,
        work_radius=0.42 * min(long, wide),
        work_height=high,
    )


def toy(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a toy car with a cabin and four wheels, its bonnet towards +y."""
    long, wide, r = sizes.uniform(0.10, 0.13), sizes.uniform(0.05, 0.06), sizes.uniform(0.013, 0.017)
    low, deck = 0.7 * r, 0.7 * r + sizes.uniform(0.020, 0.028)
    roof = deck + sizes.uniform(0.018, 0.026)
    chassis = prism(rounded_rectangle(wide, long, 0.010), low, deck)
    cabin = transform(
        prism(rounded_rectangle(0.86 * wide, 0.52 * long, 0.008), deck, roof), np.eye(3), (0, -0.10 * long, 0)
    )
    disc = np.array([(0, -0.005), (r, -0.005), (r, 0.005), (0, 0.005)])
    across = Z_TO_Y[[1, 0, 2]] * [[1.0], [-1.0], [1.0]]
    wheels = [
        transform(lathe(disc, 20), across, (sx * wide / 2.0, sy * 0.30 * long, r)) for sx in (-1, 1) for sy in (-1, 1)
    ]
    return ObjectModel(
        "toy",
        union(chassis, cabin, *wheels),
        "vessel",
        steady=press_from_left(-wide / 2.0 - 0.005, 0.026),
        work_radius=0.4 * wide,
        work_height=roof,
    )


def helmet(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a helmet (a hard hat): a dome over a brim."""
    r, high = sizes.uniform(0.072, 0.086), sizes.uniform(0.075, 0.095)
    turn = np.linspace(0.12, np.pi / 2.0, 9)
    dome = np.column_stack([r * np.cos(turn), 0.006 + (high - 0.006) * np.sin(turn)])
    profile = np.concatenate([[(0, 0), (r + 0.009, 0), (r + 0.010, 0.004), (r + 0.001, 0.009)], dome[:-1], [(0, high)]])
    profile[4:] = profile[4:][np.argsort(profile[4:, 1], kind="stable")]
    return ObjectModel(
        "helmet",
        lathe(profile, 36),
        "vessel",
        steady=press_from_left(-r - 0.01, 0.02),
        work_radius=0.5 * r,
        work_height=high,
        facing=0.9,
    )


def _from_above(top: float) -> Grip:
    return Grip((0.0, -0.008, top), (0.0, 0.0, -1.0), (-1.0, 0.0, 0.0), palm=(0.085, 0.0), curl=0.25, floor=top - 0.014)
