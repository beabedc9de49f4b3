"""Choose the cameras of a TACO sequence by its key alone, so that it has the same cameras in all splits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hoibench.clip import CLUSTERS
from hoibench.datasets.taco.rig import rig


def choose_cameras(key: str) -> tuple[tuple[str, ...], str]:
    """Return the serials of the scored cameras (left, center, right) of a sequence, and of another one, the input of video-to-video methods."""
    cameras = rig().cameras
    serials = tuple(
        _draw(f"{key}/{cluster}", (serial for serial in cameras if cameras[serial].cluster == cluster))
        for cluster in CLUSTERS
    )
    return serials, _draw(f"{key}/source", (serial for serial in cameras if serial not in serials))


def _draw(name: str, choices: Iterable[str]) -> str:
    ordered = sorted(choices)
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
    return ordered[number % len(ordered)]
