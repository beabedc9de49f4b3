"""Trios of scored cameras of TACO's clips, and the source camera of video-to-video methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product

from hoibench.clip import CLUSTERS
from hoibench.datasets.taco.rig import rig
from splits.key_hash import key_hash

MAX_ANGLE = 75.0
"""Largest angle in degrees between two cameras of a trio, as seen from the look-at point; beyond it, views have little in common to match."""

Serials = tuple[str, str, str]
"""Serials of the left, the center and the right camera."""


def widest_angle(serials: Sequence[str]) -> float:
    """Return the largest angle in degrees between two of the cameras with these serials, as seen from the look-at point."""
    return max(rig().angle(*pair) for pair in combinations(serials, 2))


def admissible_trios() -> list[Serials]:
    """Return the trios of one camera a cluster without a pair over ``MAX_ANGLE``."""
    cameras = rig().cameras
    left, center, right = ([serial for serial in cameras if cameras[serial].cluster == name] for name in CLUSTERS)
    return [trio for trio in product(left, center, right) if widest_angle(trio) <= MAX_ANGLE]


def spread(weights: Mapping[Serials, int]) -> list[Serials]:
    """Return each trio as often as its weight, with its repetitions evenly spread over the list."""
    places = [((n + 0.5) / weight, trio) for trio, weight in weights.items() for n in range(weight)]
    return [trio for _, trio in sorted(places)]


def draw_trio(key: str, weights: Mapping[Serials, int]) -> Serials:
    """Return the trio that a hash of the sequence's key draws, by the trios' weights."""
    choices = spread(weights)
    return choices[key_hash(f"{key}/cameras") % len(choices)]


def draw_source(key: str, serials: Serials) -> str:
    """Return the camera, not one of the scored ``serials``, whose video is the input of video-to-video methods, by a hash of the sequence's key."""
    others = sorted(rig().cameras.keys() - set(serials))
    return others[key_hash(f"{key}/source") % len(others)]
