"""Hands and objects frame by frame, placed once in each for all who look at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.surfaces import PlacedPart, Surface, place_parts


class Watcher(Protocol):
    """Who makes something of the parts of a frame."""

    def see(self, frame: int, parts: Sequence[PlacedPart]) -> Array:
        """What it makes of them: the same shape in each frame."""
        ...


def watch(surfaces: Sequence[Surface], watchers: Sequence[Watcher]) -> tuple[Array, ...]:
    """What each watcher makes of every frame, (N, ...) each."""
    seen = []
    for frame in range(len(surfaces[0].vertices)):
        parts = place_parts(surfaces, frame)
        seen.append([watcher.see(frame, parts) for watcher in watchers])
    return tuple(np.stack(frames) for frames in zip(*seen, strict=True))
