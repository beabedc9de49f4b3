"""Builders of dishes and pots: centred on the origin, on z = 0, with a spout towards -x and, except for the pan, a handle towards +x."""

from __future__ import annotations

import math

import numpy as np

from hoibench.clip import FloatArray
from hoibench.datasets.synthetic.objects.object_model import (
    Grip,
    ObjectModel,
    SizeSampler,
    press_from_left,
    wrap_from_right,
)
from hoibench.datasets.synthetic.solids import Solid, lathe, tube, union


def bowl(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of an open bowl."""
    r, high, foot = sizes.uniform(0.056, 0.072), sizes.uniform(0.042, 0.056), sizes.uniform(0.026, 0.034)
    belly = sizes.uniform(0.78, 0.9)
    wall = 0.0035
    outer = [
        (0, 0),
        (foot, 0),
        (0.5 * (foot + belly * r), 0.10 * high),
        (belly * r, 0.42 * high),
        (0.97 * r, 0.8 * high),
        (r, high),
    ]
    inner = [
        (r - wall, high),
        (0.97 * r - wall, 0.8 * high),
        (belly * r - wall, 0.42 * high + 0.001),
        (0.5 * (foot + belly * r) - 0.002, 0.10 * high + 0.004),
        (0, 0.004),
    ]
    return ObjectModel(
        "bowl",
        lathe(np.array(outer + inner), 36),
        "vessel",
        use=wrap_from_right(0.95 * r, 0.62 * high),
        steady=press_from_left(-0.97 * r, 0.026),
        facing=0.9,
        foot=r,
        work_radius=0.5 * (foot + belly * r),
        work_height=0.006,
    )


def plate(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a shallow plate."""
    r, high = sizes.uniform(0.076, 0.092), sizes.uniform(0.015, 0.021)
    flat = sizes.uniform(0.60, 0.70) * r
    wall = 0.004
    outer = [(0, 0), (0.92 * flat, 0), (flat + 0.004, 0.004), (0.9 * r, 0.75 * high), (r, high)]
    inner = [
        (r - 0.001, high + wall),
        (0.9 * r - 0.002, 0.75 * high + wall),
        (flat, 0.004 + 0.002),
        (0.9 * flat, wall),
        (0, wall),
    ]
    return ObjectModel(
        "plate",
        lathe(np.array(outer + inner), 40),
        "vessel",
        use=Grip((r - 0.012, 0.0, 0.75 * high), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0), palm=(0.078, 0.0), curl=0.02),
        steady=press_from_left(-r, 0.018),
        work_radius=flat,
        work_height=wall,
        facing=0.9,
        foot=r,
    )


def cup(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a cup without a handle, straight, flared or waisted."""
    r, high = sizes.uniform(0.033, 0.040), sizes.uniform(0.075, 0.095)
    foot, waist = sizes.uniform(0.74, 1.0) * r, sizes.uniform(0.86, 1.02)
    middle = waist * (foot + r) / 2.0
    outer = [(0, 0), (foot - 0.003, 0), (foot, 0.003), (middle, 0.5 * high), (r, high)]
    inner = [(r - 0.003, high), (middle - 0.003, 0.5 * high), (foot - 0.004, 0.007), (0, 0.006)]
    return ObjectModel(
        "cup",
        lathe(np.array(outer + inner), 32),
        "vessel",
        use=wrap_from_right(middle, 0.52 * high),
        steady=press_from_left(-middle, 0.028),
        facing=0.9,
        foot=r,
        work_radius=0.8 * r,
        work_height=high,
    )


def pan(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a frying pan; its handle points to -x."""
    r, high, wall = sizes.uniform(0.074, 0.088), sizes.uniform(0.030, 0.040), 0.0035
    foot = sizes.uniform(0.80, 0.88) * r
    outer = [(0, 0), (foot, 0), (foot + 0.004, 0.004), (r, high)]
    inner = [(r - wall, high), (foot, 0.006), (0.96 * foot, wall), (0, wall)]
    z, end = high + 0.008, -r - sizes.uniform(0.105, 0.12)
    path = [(0.004 - r, 0, high - 0.006), (-r - 0.012, 0, high), (-r - 0.035, 0, z), (end, 0, z + 0.003)]
    handle = tube(np.array(path), np.array([(0.010, 0.004), (0.008, 0.005), (0.011, 0.008), (0.012, 0.008)]))
    grip = Grip((-r - 0.075, 0.0, z), (0.0, 0.60, -0.80), (1.0, 0.0, 0.0), oblique=0.35, palm=(0.080, 0.0), floor=0.0)
    return ObjectModel(
        "pan",
        union(lathe(np.array(outer + inner), 40), handle),
        "vessel",
        steady=grip,
        work_radius=foot,
        work_height=wall,
        facing=0.55,
    )


def kettle(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a tall kettle with a lid, a spout and an angular handle."""
    r, high = sizes.uniform(0.048, 0.056), sizes.uniform(0.085, 0.10)
    top = sizes.uniform(0.60, 0.72) * r
    body = [
        (0, 0),
        (r - 0.004, 0),
        (r, 0.004),
        (r, 0.25 * high),
        (top, high),
        (0.8 * top, high + 0.006),
        (0.008, high + 0.010),
    ]
    knob = [(0.006, high + 0.014), (0.009, high + 0.020), (0.006, high + 0.026), (0, high + 0.026)]
    spout = _spout(0.82 * r, 0.42 * high, r + 0.028, 0.9 * high)
    bar = r + 0.046
    handle = _handle(0.85 * top, 0.88 * high, bar, 0.22 * high, 0.93 * r)
    return _pot("kettle", union(lathe(np.array(body + knob), 32), spout, handle), bar, 0.55 * high, top, high + 0.026)


def teapot(sizes: SizeSampler) -> ObjectModel:
    """Build a 3D model of a round teapot with a lid, a spout and a handle."""
    r, high = sizes.uniform(0.046, 0.055), sizes.uniform(0.070, 0.082)
    body = [
        (0, 0),
        (0.55 * r, 0),
        (0.82 * r, 0.14 * high),
        (r, 0.45 * high),
        (0.88 * r, 0.76 * high),
        (0.55 * r, 0.95 * high),
        (0.007, high + 0.003),
    ]
    knob = [(0.005, high + 0.007), (0.009, high + 0.014), (0.005, high + 0.020), (0, high + 0.020)]
    spout = _spout(0.9 * r, 0.40 * high, r + 0.032, 0.92 * high)
    bar = r + 0.042
    handle = _handle(0.76 * r, 0.84 * high, bar, 0.20 * high, 0.86 * r)
    return _pot(
        "teapot", union(lathe(np.array(body + knob), 32), spout, handle), bar, 0.54 * high, 0.55 * r, high + 0.020
    )


def _pot(category: str, solid: Solid, bar: float, middle: float, top: float, high: float) -> ObjectModel:
    use = Grip((bar + 0.006, 0.0, middle), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), palm=(0.078, 0.0))
    steady = Grip((bar + 0.006, 0.0, middle), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0), palm=(0.078, 0.0), floor=0.0)
    return ObjectModel(
        category, solid, "vessel", use=use, steady=steady, foot=top, work_radius=top, work_height=high, facing=math.pi
    )


def _spout(x0: float, z0: float, x1: float, z1: float) -> Solid:
    path = np.array([(-x0, 0, z0), (-0.5 * (x0 + x1) - 0.004, 0, 0.55 * z0 + 0.45 * z1), (-x1, 0, z1)])
    return tube(path, np.array([(0.012, 0.012), (0.009, 0.009), (0.006, 0.006)]), segments=10)


def _handle(x_top: float, z_top: float, bar: float, z_low: float, x_low: float) -> Solid:
    turn: FloatArray = np.array(
        [
            (x_top, 0, z_top),
            (bar - 0.012, 0, z_top + 0.004),
            (bar, 0, z_top - 0.010),
            (bar, 0, z_low + 0.012),
            (bar - 0.010, 0, z_low),
            (x_low, 0, z_low),
        ]
    )
    return tube(turn, np.array((0.0075, 0.0055)), up=(0.0, 1.0, 0.0), segments=10)
