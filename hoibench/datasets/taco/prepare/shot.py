"""The source frames that a clip is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.protocol import CropRule, Window
from hoibench.datasets.taco.recording import Recording


@dataclass(frozen=True, eq=False)
class Shot:
    """The source frames of a clip, each once.

    Attributes:
        span: which source frame each of the clip's frames is.
        surfaces: hands and objects in the source frames.
        row: (N,), for each of the clip's frames which of the surfaces' it is.
    """

    span: Window
    surfaces: tuple[Surface, ...]
    row: Array

    @classmethod
    def take(cls, recording: Recording, span: Window) -> Shot:
        """The source frames of a recording; errors as ``Recording.surfaces_in``."""
        sources, row = np.unique(span.indices, return_inverse=True)
        return cls(span, recording.surfaces_in(sources.tolist()), row)

    def spread(self, once: Array) -> Array:
        """Values (N, ...) in the clip's frames of values in each source frame once."""
        spread: Array = once[self.row]
        return spread

    def once(self, spread: Array) -> Array:
        """The inverse of ``spread``."""
        once: Array = spread[np.unique(self.row, return_index=True)[1]]
        return once

    def rows_of(self, rule: CropRule) -> list[int]:
        """The rows of the frames that a crop rule looks at."""
        return sorted(set(self.row[: self.span.valid if rule == "clip" else 1].tolist()))
