"""Protocol "taco": the grid that every clip of TACO lies on, how a split's line says that its clip is made, and the prompts."""

from __future__ import annotations

import math
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
"""Of TACO's videos and annotations; a video's own rate decides where it differs."""
SIZE = (480, 704)
"""(H, W), pixels."""
POINTS = 1600
"""K."""

CropRule = Literal["clip", "frame0"]
Video = Literal["raw", "marker-removed"]
MODALITIES: dict[Video, str] = {"raw": RGB, "marker-removed": MARKER_REMOVED}
"""The top folder that each kind of video is in."""


@dataclass(frozen=True)
class Recipe:
    """How a clip is made: the rule that its views are cropped by, and which of TACO's videos they show."""

    crop: CropRule
    video: Video

    @property
    def name(self) -> str:
        """CROP-VIDEO, for folders."""
        return f"{self.crop}-{self.video}"

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Recipe:
        """The recipe of a split's line.

        Raises:
            ValueError: a key is missing or unknown, or a value is not one of those that are known; lists them.
        """
        known = {"crop": get_args(CropRule), "video": get_args(Video)}
        if set(table) != set(known):
            raise ValueError(f"a recipe has the keys crop and video, not {sorted(table)}")
        for key, values in known.items():
            if table[key] not in values:
                raise ValueError(f"recipe: {key} is {table[key]!r}, expected one of {', '.join(values)}")
        return cls(**table)


@dataclass(frozen=True)
class Window:
    """Which source frame each of the clip's frames is, and how many of them the recording reaches: the rest repeat its last frame."""

    indices: tuple[int, ...]
    valid: int

    @property
    def recorded(self) -> tuple[int, ...]:
        """The source frames of the valid part."""
        return self.indices[: self.valid]


def window(frames: int, fps: float) -> Window:
    """The clip's window in a recording of N ``frames`` at ``fps``: frame i is floor(i * fps / 8 + 0.5), at most N - 1.

    Raises:
        ValueError: there are no frames, or the rate is no positive number.
    """
    if frames < 1 or not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"a recording of {frames} frames at {fps} fps has no clip in it")
    wanted = np.floor(np.arange(FRAMES) * (fps / FPS) + 0.5).astype(int)
    return Window(tuple(np.minimum(wanted, frames - 1).tolist()), int((wanted < frames).sum()))


class _Prompts(RootModel[dict[str, str]]):
    """The file prompts.toml: action -> template of ``tool`` and ``target``."""


def prompt(triplet: Triplet) -> str:
    """An imperative sentence for a (tool, action, target) triplet, by the templates in prompts.toml.

    Raises:
        ValueError: the action is not one of TACO's; lists those it has.
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
