"""The TACO protocol: size, rate and length of clips, recipes of a split's lines, and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, get_args

import numpy as np
from pydantic import RootModel

from hoibench.datasets.taco.download import MARKER_REMOVED, RGB, Triplet
from hoibench.store.records import read_toml

FRAMES = 49
FPS = 8.0
SOURCE_FPS = 30.0
"""Rate of TACO's videos and annotations."""
SIZE = (480, 704)
"""(H, W), pixels."""
POINTS = 1600
"""K, the number of tracked points."""

CropRule = Literal["clip", "frame0"]
Video = Literal["raw", "marker-removed"]
MODALITIES: dict[Video, str] = {"raw": RGB, "marker-removed": MARKER_REMOVED}
"""Folder of each kind of video."""


@dataclass(frozen=True)
class Recipe:
    """The recipe of a clip: the crop rule of its views, and the kind of video."""

    crop: CropRule
    video: Video

    @property
    def name(self) -> str:
        """CROP-VIDEO, used for folder names."""
        return f"{self.crop}-{self.video}"

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Recipe:
        """Parse the recipe of a split's line.

        Raises:
            ValueError: a key is missing or unknown, or a value is unknown; lists the known ones.
        """
        known = {"crop": get_args(CropRule), "video": get_args(Video)}
        if set(table) != set(known) or any(table[key] not in values for key, values in known.items()):
            expected = ", ".join(f"{key}: one of {', '.join(values)}" for key, values in known.items())
            raise ValueError(f"recipe is {dict(table)}, expected {expected}")
        return cls(**table)


@dataclass(frozen=True)
class Window:
    """Source frame of each frame of a clip, and the number of recorded ones; the others repeat the last source frame."""

    indices: tuple[int, ...]
    valid: int

    @property
    def recorded(self) -> tuple[int, ...]:
        """The source frames of the recorded part."""
        return self.indices[: self.valid]


def window(frames: int, fps: float) -> Window:
    """Return the clip's window in a recording of N ``frames`` at ``fps``: frame i is floor(i * fps / 8 + 0.5), at most N - 1."""
    ideal = np.floor(np.arange(FRAMES) * (fps / FPS) + 0.5).astype(int)
    return Window(tuple(np.minimum(ideal, frames - 1).tolist()), int((ideal < frames).sum()))


class _Prompts(RootModel[dict[str, str]]):
    """The file prompts.toml: action -> template with ``tool`` and ``target``."""


def prompt(triplet: Triplet) -> str:
    """Return an imperative sentence for a (tool, action, target) triplet, from the templates in prompts.toml.

    Raises:
        ValueError: the action is not one of TACO's; lists the known ones.
    """
    tool, action, target = triplet
    try:
        template = _templates()[action]
    except KeyError:
        raise ValueError(f"action {action!r} has no prompt template; known: {', '.join(_templates())}") from None
    return template.format(tool=tool, target=target)


@cache
def _templates() -> dict[str, str]:
    return read_toml(_Prompts, files("hoibench.datasets.taco") / "prompts.toml").root
