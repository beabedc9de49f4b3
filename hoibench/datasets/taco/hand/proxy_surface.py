"""The surface of the proxy right hand, modelled from rings of vertices, without MANO data.

Axes: u points from the wrist to the fingertips, d to the back of the hand, w to the thumb side (a left-handed basis).  One tube of rings makes the
palm, with a hole on the thumb side; four fingers and the thumb are tubes grown from holes.  A surface with V = 778 vertices and an open wrist of 16
edges has, by Euler's formula, F = 2 V - 2 - 16 = 1538 faces: MANO's numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from hoibench.clip import FloatArray

FINGERS = ("index", "middle", "little", "ring", "thumb")
"""The fingers in the order of the 45 joint angles, three joints each."""
ACROSS = ("index", "middle", "ring", "little")
"""The four fingers in order from the thumb side."""

WRIST_RING, PALM_RING, PALM_RINGS, FINGER_RING = 16, 28, 7, 10
RINGS = {"index": 11, "middle": 12, "ring": 12, "little": 11, "thumb": 10}
THUMB_HOLE = (1, 4)  # the palm rings between which the thumb grows


@dataclass(frozen=True)
class Chain:
    """One finger at rest: knuckle (u, d, w), direction, lengths of its bones up to the tip, and radius; lengths in metres."""

    knuckle: tuple[float, float, float]
    direction: tuple[float, float, float]
    bones: tuple[float, float, float]
    radius: float
    start: float  # where the free tube begins, along the chain

    def joints(self) -> FloatArray:
        """Return the positions (4, 3) of the three joints and the tip, in metres, in the axes (u, d, w) of this module."""
        along = np.concatenate([[0.0], np.cumsum(self.bones)])
        return np.asarray(np.asarray(self.knuckle) + along[:, None] * unit(self.direction))


CHAINS = {
    "index": Chain((0.088, 0.003, 0.026), (1.0, -0.02, 0.09), (0.041, 0.025, 0.023), 0.0091, 0.019),
    "middle": Chain((0.091, 0.004, 0.005), (1.0, -0.02, 0.01), (0.044, 0.028, 0.024), 0.0092, 0.019),
    "ring": Chain((0.086, 0.003, -0.014), (1.0, -0.02, -0.06), (0.040, 0.027, 0.024), 0.0087, 0.018),
    "little": Chain((0.077, 0.000, -0.031), (1.0, -0.02, -0.15), (0.031, 0.019, 0.021), 0.0076, 0.017),
    "thumb": Chain((0.024, -0.007, 0.020), (0.74, -0.22, 0.63), (0.044, 0.033, 0.028), 0.0106, 0.022),
}


def unit(v: object) -> FloatArray:
    """Return a vector (3,) scaled to length 1."""
    a = np.asarray(v, dtype=np.float64)
    return np.asarray(a / np.linalg.norm(a))


def surface() -> tuple[FloatArray, NDArray[np.int64], dict[str, NDArray[np.int64]], NDArray[np.int64]]:
    """Build the surface of the right hand.

    Returns:
        Vertices (778, 3) in metres, in the axes of this module; faces (1538, 3); vertex indices by group (each finger, and ``free``: palm and web,
        which may be smoothed); vertex indices (5,) of the tips, from thumb to little finger.
    """
    points: list[FloatArray] = []
    faces: list[tuple[int, int, int]] = []
    groups: dict[str, NDArray[np.int64]] = {}

    def add(ring: FloatArray) -> NDArray[np.int64]:
        first = sum(map(len, points))
        points.append(ring)
        return np.arange(first, first + len(ring))

    wrist = add(_wrist_ring())
    web = _web_ring()
    start = _resampled_wrist()
    palm = []
    for j in range(1, PALM_RINGS + 1):
        ring = _palm_ring(start, web, j / PALM_RINGS)
        inside_hole = THUMB_HOLE[0] < j < THUMB_HOLE[1]
        ids = add(ring[:-1] if inside_hole else ring)
        palm.append(np.append(ids, -1) if inside_hole else ids)
    faces += _zip(wrist, palm[0])
    for j, (a, b) in enumerate(pairwise(palm), start=1):
        hole = (26, 27) if THUMB_HOLE[0] <= j < THUMB_HOLE[1] else ()
        faces += _tube(a, b, skip=hole)
    mids = add(_web_mids(web))
    groups["free"] = np.concatenate([*(p[p >= 0] for p in palm), mids])

    tips = {}
    for finger, base in _holes(palm, mids).items():
        rings = [add(ring) for ring in _finger_rings(finger)]
        groups[finger] = np.concatenate(rings)
        for a, b in zip([base, *rings[:-1]], rings, strict=True):
            faces += _tube(a, b)
        (tip,) = add(CHAINS[finger].joints()[3:])
        faces += [(int(a), int(b), int(tip)) for a, b in zip(rings[-1], np.roll(rings[-1], -1), strict=True)]
        groups[finger] = np.append(groups[finger], tip)
        tips[finger] = tip
    in_order = np.array([tips[f] for f in ("thumb", *ACROSS)])
    return np.concatenate(points), np.array(faces), groups, in_order


def _tube(a: NDArray[np.int64], b: NDArray[np.int64], skip: tuple[int, ...] = ()) -> list[tuple[int, int, int]]:
    """Return triangles that connect two rings of equally many vertices, two per edge, without the edges in ``skip``."""
    out = []
    for i in range(len(a)):
        if i not in skip:
            k = (i + 1) % len(a)
            out += [(int(a[i]), int(a[k]), int(b[k])), (int(a[i]), int(b[k]), int(b[i]))]
    return out


def _zip(a: NDArray[np.int64], b: NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Return triangles that connect two rings of different numbers of vertices, which start at the same angle."""
    out, i, k = [], 0, 0
    while i < len(a) or k < len(b):
        from_a, from_b = int(a[i % len(a)]), int(b[k % len(b)])
        if (i + 1) / len(a) <= (k + 1) / len(b):
            out.append((from_a, int(a[(i + 1) % len(a)]), from_b))
            i += 1
        else:
            out.append((from_a, int(b[(k + 1) % len(b)]), from_b))
            k += 1
    return out


def _flat_ring(
    across: FloatArray, centre: FloatArray, thickness: FloatArray, u: FloatArray, sides: tuple[float, float]
) -> FloatArray:
    """Return a ring (28, 3) around the palm: back of the hand from the thumb side, little-finger side, palm in reverse, thumb side.

    Args:
        across: (13,) w of the points on the back and on the palm.
        centre: (13,) d of the middle between back and palm.
        thickness: (13,) half the distance from back to palm.
        u: (13,) u of the points.
        sides: w of the points at the thumb side and the little-finger side.
    """
    back = np.stack([u, centre + thickness, across], axis=1)
    front = np.stack([u, centre - thickness, across], axis=1)[::-1]
    little = [u[-1], centre[-1], sides[1]]
    thumb = [u[0], centre[0], sides[0]]
    return np.concatenate([back, [little], front, [thumb]])


def _web_ring() -> FloatArray:
    """Return the ring (28, 3) around the palm where the fingers begin (the web)."""
    base = np.array([CHAINS[f].knuckle + CHAINS[f].start * unit(CHAINS[f].direction) for f in ACROSS])
    radius = np.array([CHAINS[f].radius for f in ACROSS])
    edges = np.concatenate([[base[0, 2] + radius[0]], (base[1:, 2] + base[:-1, 2]) / 2, [base[3, 2] - radius[3]]])
    across = np.interp(np.arange(13) / 3, np.arange(5), edges)
    centre = np.interp(-across, -base[:, 2], base[:, 1])
    u = np.interp(-across, -base[:, 2], base[:, 0]) - np.where(np.arange(13) % 3 == 0, 0.004, 0.0)
    thickness = np.interp(-across, -base[:, 2], radius) * np.where(np.arange(13) % 3 == 0, 0.66, 1.0)
    return _flat_ring(across, centre, thickness, u, (edges[0] + 0.001, edges[-1] - 0.001))


def _web_mids(web: FloatArray) -> FloatArray:
    """Return the three points (3, 3) between neighbouring fingers, inside the ring ``web`` (28, 3)."""
    return np.stack([(web[i] + web[26 - i]) / 2 - [0.001, 0.0, 0.0] for i in (3, 6, 9)])


def _resampled_wrist() -> FloatArray:
    """Return the ring (28, 3) around the wrist, just behind its joint, with as many points as the rings of the palm."""
    across = np.linspace(1.0, -1.0, 13)
    thickness = 0.0165 * (1.0 - np.abs(across * 0.93) ** 2.4) ** 0.5
    return _flat_ring(across * 0.0255, np.zeros(13), thickness, np.full(13, -0.012), (0.0275, -0.0275))


def _wrist_ring() -> FloatArray:
    """Return the ring (16, 3) at the open end of the surface, behind the wrist joint."""
    ring = _resampled_wrist() - [0.010, 0.0, 0.0]
    closed = np.concatenate([ring, ring[:1]])
    at = np.linspace(0.0, PALM_RING, WRIST_RING, endpoint=False)
    return np.stack([np.interp(at, np.arange(PALM_RING + 1), closed[:, c]) for c in range(3)], axis=1)


def _palm_ring(wrist: FloatArray, web: FloatArray, t: float) -> FloatArray:
    """Return the ring (28, 3) around the palm at fraction ``t`` of the way from wrist to web, thicker at the ball of the thumb and the heel."""
    ring = (1.0 - t) * wrist + t * web
    middle = np.sin(np.pi * t)
    ring[14:27, 1] -= 0.005 * middle
    ring[:13, 1] += 0.001 * middle
    ring[np.r_[22:28, 0:3], 2] += 0.004 * middle
    return ring


def _holes(palm: list[NDArray[np.int64]], mids: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """Return finger -> indices (10,) of the closed loop of vertices at its base, in the order of a ring of ``_finger_rings``."""
    last = palm[-1]
    sides = [last[27], *mids, last[13]]
    loops = {}
    for f, finger in enumerate(ACROSS):
        columns = np.arange(3 * f, 3 * f + 4)
        loops[finger] = np.concatenate([last[columns], [sides[f + 1]], last[26 - columns[::-1]], [sides[f]]])
    low, high = THUMB_HOLE
    rings = [palm[j - 1] for j in range(low, high + 1)]
    back, front = [r[0] for r in rings], [r[26] for r in rings][::-1]
    loops["thumb"] = np.array([*back, rings[-1][27], *front, rings[0][27]])
    return loops


def _finger_rings(finger: str) -> list[FloatArray]:
    """Return the rings (10, 3) of vertices along a finger, from base to tip; thicker at the joints, round at the tip."""
    chain = CHAINS[finger]
    axis = unit(chain.direction)
    side = np.array([-1.0, 0.0, 0.0]) if finger == "thumb" else np.array([0.0, 0.0, 1.0])
    side = unit(side - (side @ axis) * axis)
    up = np.cross(side, axis)
    angle = np.radians(36.0 * (np.arange(FINGER_RING) + 1))
    total, radius = sum(chain.bones), chain.radius
    body = np.linspace(chain.start + 0.005, total - 0.95 * radius, RINGS[finger] - 2)
    at = np.concatenate([body, [total - 0.5 * radius, total - 0.15 * radius]])
    knots = np.cumsum(chain.bones)[:2]
    bulge = sum(0.05 * np.exp(-(((at - k) / 0.006) ** 2)) for k in knots)
    thick = radius * (1.02 - 0.16 * at / total + bulge)
    left = np.clip((total - at) / radius, 0.0, 1.0)
    thick = thick * np.sqrt(np.clip(1.0 - (1.0 - left) ** 2, 0.0, 1.0))
    centre = np.asarray(chain.knuckle) + at[:, None] * axis
    circle = np.cos(angle)[:, None] * side + 0.92 * np.sin(angle)[:, None] * up
    return [c + t * circle for c, t in zip(centre, thick, strict=True)]
