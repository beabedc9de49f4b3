"""Builders of tools with a handle: working end at the origin, handle towards +x, +z up."""

from __future__ import annotations

import numpy as np

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.objects.object_model import ObjectModel, SizeSampler, side_grip_of_stick
from hoibench.datasets.synthetic.solids import Solid, lathe, prism, rounded_rectangle, transform, tube, union

Z_TO_Y = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""Rotation (3, 3) that lays an upright solid on its side: its z axis becomes -y, its y axis becomes z."""


def spoon(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a spoon: a round scoop, and a handle that rises behind it."""
    r, length = sizes.uniform(0.017, 0.024), sizes.uniform(0.15, 0.18)
    depth = sizes.uniform(0.008, 0.012)
    outer = [(0.0, 0.0), (0.55 * r, 0.0015), (0.85 * r, 0.45 * depth), (r, depth)]
    inner = [(r - 0.0018, depth), (0.8 * r, 0.5 * depth + 0.0015), (0.5 * r, 0.0035), (0.0, 0.0025)]
    rise = sizes.uniform(0.012, 0.022)
    path = [
        (r - 0.003, 0, depth - 0.003),
        (r + 0.03, 0, depth + rise),
        (r + 0.06, 0, depth + rise),
        (r + length, 0, depth + rise),
    ]
    handle = tube(np.array(path), np.array([(0.005, 0.0025), (0.0045, 0.004), (0.007, 0.006), (0.009, 0.007)]))
    grip = side_grip_of_stick(r + 0.68 * length, depth + rise)
    return ObjectModel(
        "spoon",
        union(lathe(np.array(outer + inner), 24), handle),
        "stick",
        use=grip,
        foot=r,
        pitch=sizes.uniform(0.45, 0.6),
    )


def spatula(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a spatula: a flat blade on a raised handle."""
    long, wide = sizes.uniform(0.055, 0.08), sizes.uniform(0.045, 0.065)
    length, rise = sizes.uniform(0.15, 0.18), sizes.uniform(0.02, 0.035)
    blade = transform(
        prism(rounded_rectangle(long, wide, sizes.uniform(0.006, 0.02)), 0.0, 0.003), np.eye(3), (long / 2.0, 0, 0)
    )
    path = [(long - 0.012, 0, 0.003), (long + 0.03, 0, rise), (long + 0.055, 0, rise), (long + length, 0, rise)]
    handle = tube(np.array(path), np.array([(0.007, 0.003), (0.006, 0.004), (0.009, 0.007), (0.011, 0.008)]))
    return ObjectModel(
        "spatula",
        union(blade, handle),
        "stick",
        use=side_grip_of_stick(long + 0.66 * length, rise),
        foot=0.5 * wide,
        pitch=sizes.uniform(0.35, 0.5),
    )


def knife(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a knife: an upright blade with its edge on z = 0, and a handle behind it."""
    tip, heel, high = sizes.uniform(0.05, 0.07), sizes.uniform(0.05, 0.06), sizes.uniform(0.026, 0.038)
    outline = [
        (heel, 0.0),
        (heel, high),
        (-0.55 * tip, high),
        (-tip, 0.35 * high),
        (-0.85 * tip, 0.004),
        (-0.4 * tip, 0.0),
    ]
    blade = transform(prism(np.array(outline), -0.0013, 0.0013), Z_TO_Y, (0, 0, 0))
    mid = high - 0.011
    path = [(heel - 0.006, 0, mid), (heel + 0.02, 0, mid), (heel + 0.07, 0, mid), (heel + 0.115, 0, mid - 0.003)]
    handle = tube(np.array(path), np.array([(0.008, 0.010), (0.0085, 0.012), (0.0095, 0.013), (0.009, 0.014)]))
    return ObjectModel(
        "knife",
        union(blade, handle),
        "stick",
        use=side_grip_of_stick(heel + 0.062, mid),
        foot=0.01,
        pitch=sizes.uniform(0.2, 0.32),
    )


def brush(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a brush: a block of bristles under a back, with a handle."""
    long, wide, deep = sizes.uniform(0.05, 0.075), sizes.uniform(0.024, 0.034), sizes.uniform(0.014, 0.024)
    bristles = prism(rounded_rectangle(long, wide, 0.006), 0.0, deep)
    back = prism(rounded_rectangle(long + 0.008, wide + 0.006, 0.01), deep, deep + 0.012)
    z = deep + 0.007
    path = [
        (long / 2 - 0.005, 0, z),
        (long / 2 + 0.02, 0, z + 0.006),
        (long / 2 + 0.07, 0, z + 0.012),
        (long / 2 + 0.14, 0, z + 0.012),
    ]
    handle = tube(np.array(path), np.array([(0.010, 0.006), (0.008, 0.006), (0.011, 0.009), (0.009, 0.008)]))
    return ObjectModel(
        "brush",
        union(bristles, back, handle),
        "stick",
        use=side_grip_of_stick(long / 2 + 0.085, z + 0.012),
        foot=0.5 * long,
        pitch=sizes.uniform(0.28, 0.42),
    )


def roller(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a paint roller: a roll across the handle's direction, on a bent wire."""
    r, long = sizes.uniform(0.016, 0.024), sizes.uniform(0.065, 0.10)
    profile = np.array(
        [
            (0, -long / 2),
            (r - 0.003, -long / 2),
            (r, 0.003 - long / 2),
            (r, long / 2 - 0.003),
            (r - 0.003, long / 2),
            (0, long / 2),
        ]
    )
    roll = transform(lathe(profile, 24), Z_TO_Y, (0, 0, r))
    side = long / 2 + 0.010
    bend = [
        (0, long / 2 - 0.002, r),
        (0.001, side, r),
        (0.045, side, r + 0.012),
        (0.075, 0.001, r + 0.02),
        (0.09, 0, r + 0.02),
    ]
    wire = tube(np.array(bend), np.array((0.003, 0.003)), segments=8)
    z = r + 0.02
    path = [(0.085, 0, z), (0.11, 0, z), (0.16, 0, z), (0.20, 0, z)]
    handle = tube(np.array(path), np.array([(0.007, 0.007), (0.011, 0.010), (0.012, 0.012), (0.010, 0.010)]))
    return ObjectModel(
        "roller",
        union(roll, wire, handle),
        "stick",
        use=side_grip_of_stick(0.145, z),
        foot=0.5 * long,
        pitch=sizes.uniform(0.35, 0.5),
    )


def hammer(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a hammer: a head that stands on its striking face, and a shaft."""
    r, high, length = sizes.uniform(0.011, 0.016), sizes.uniform(0.06, 0.085), sizes.uniform(0.17, 0.20)
    profile = [
        (0, 0),
        (r, 0),
        (r, 0.016),
        (0.75 * r, 0.022),
        (0.75 * r, high - 0.02),
        (r, high - 0.014),
        (0.5 * r, high),
        (0, high),
    ]
    z = 0.5 * high
    shaft = tube(
        np.array([(0, 0, z), (0.06, 0, z), (0.11, 0, z), (length, 0, z)]),
        np.array([(0.006, 0.008), (0.006, 0.009), (0.010, 0.012), (0.011, 0.013)]),
    )
    return ObjectModel(
        "hammer",
        union(lathe(np.array(profile), 20), shaft),
        "stick",
        use=side_grip_of_stick(0.74 * length, z),
        foot=r,
        pitch=sizes.uniform(0.05, 0.15),
    )


def screwdriver(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a screwdriver: a shaft with its tip at the origin, and a thicker handle in line."""
    shaft, length, r = sizes.uniform(0.06, 0.09), sizes.uniform(0.085, 0.10), sizes.uniform(0.011, 0.015)
    blade = tube(
        np.array([(0, 0, 0), (0.012, 0, 0), (shaft + 0.01, 0, 0)]),
        np.array([(0.0035, 0.0012), (0.003, 0.003), (0.003, 0.003)]),
        segments=10,
    )
    path = [(shaft, 0, 0), (shaft + 0.015, 0, 0), (shaft + 0.7 * length, 0, 0), (shaft + length, 0, 0)]
    handle = tube(np.array(path), np.array([(0.6 * r, 0.6 * r), (r, r), (r, r), (0.8 * r, 0.8 * r)]))
    return ObjectModel(
        "screwdriver",
        union(blade, handle),
        "stick",
        use=side_grip_of_stick(shaft + 0.5 * length, 0.0),
        foot=0.002,
        pitch=sizes.uniform(1.0, 1.15),
    )


def glue_gun(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a glue gun: a nozzle with its tip at the origin, a barrel, and a grip behind it."""
    barrel, r = sizes.uniform(0.085, 0.10), sizes.uniform(0.013, 0.017)
    nozzle = tube(np.array([(0, 0, 0), (0.03, 0, 0)]), np.array([(0.002, 0.002), (0.008, 0.008)]), segments=10)
    body = tube(
        np.array([(0.026, 0, 0), (0.05, 0, 0), (0.026 + barrel, 0, 0.0)]),
        np.array([(0.011, 0.013), (r, r + 0.003), (r, r + 0.003)]),
    )
    end = 0.012 + barrel
    stock = tube(
        np.array([(end, 0, 0), (end + 0.055, 0, 0.004), (end + 0.10, 0, 0.0)]),
        np.array([(0.011, 0.013), (0.012, 0.015), (0.011, 0.013)]),
    )
    return ObjectModel(
        "glue gun",
        union(nozzle, body, stock),
        "stick",
        use=side_grip_of_stick(end + 0.055, 0.004),
        foot=0.002,
        pitch=sizes.uniform(0.7, 0.85),
    )


def ruler(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a ruler: a flat strip along +x, held near its far end; the origin is under its near end."""
    length, wide, thick = sizes.uniform(0.20, 0.24), sizes.uniform(0.026, 0.034), sizes.uniform(0.003, 0.005)
    strip: Solid = transform(prism(strip_outline(length, wide), 0.0, thick), np.eye(3), (length / 2.0, 0, 0))
    return ObjectModel(
        "ruler",
        strip,
        "stick",
        use=side_grip_of_stick(0.74 * length, thick / 2.0, oblique=0.6),
        foot=0.5 * wide,
        pitch=sizes.uniform(0.14, 0.24),
    )


def strip_outline(length: float, wide: float) -> FloatArray:
    """Return the outline (P, 2) of a centred rectangle with about one vertex per centimetre on its long sides."""
    x = np.linspace(-length / 2.0, length / 2.0, int(length / 0.01) + 1)
    low = np.column_stack([x, np.full(len(x), -wide / 2.0)])
    return np.concatenate([low, (low * [1.0, -1.0])[::-1]])
