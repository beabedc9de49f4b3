"""The protocol of TACO clips: their size, frame rate and length, their recipes (crop and kind of video), and their prompts."""

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
"""(H, W) of clips, pixels."""
POINTS = 1600
"""K, the number of tracked points of a clip."""

CropRule = Literal["clip", "frame0"]
VideoKind = Literal["raw", "marker-removed"]
MODALITIES: dict[VideoKind, str] = {"raw": RGB, "marker-removed": MARKER_REMOVED}
"""Kind of video -> its top folder in a download."""


@dataclass(frozen=True)
class Recipe:
    """The recipe of a clip: the choices by which it is made from a recording.

    Attributes:
        crop: rule for the crop of its views: around hands and objects in the whole clip (``clip``) or in its first frame (``frame0``).
        video: kind of video, ``raw`` or ``marker-removed``.
    """

    crop: CropRule
    video: VideoKind

    @property
    def name(self) -> str:
        """CROP-VIDEO, e.g. ``frame0-raw``, used for folder names."""
        return f"{self.crop}-{self.video}"

    @classmethod
    def parse(cls, table: Mapping[str, Any]) -> Recipe:
        """Return the recipe in the ``recipe`` table of a split's line, with the keys ``crop`` and ``video``.

        Raises:
            ValueError: a key is missing or unknown, or a value is unknown; lists the known ones.
        """
        known = {"crop": get_args(CropRule), "video": get_args(VideoKind)}
        if set(table) != set(known) or any(table[key] not in values for key, values in known.items()):
            expected = ", ".join(f"{key}: one of {', '.join(values)}" for key, values in known.items())
            raise ValueError(f"recipe is {dict(table)}, expected {expected}")
        return cls(**table)


@dataclass(frozen=True)
class Window:
    """The frames of a recording that make up a clip.

    Attributes:
        indices: number of the source frame of each of the clip's 49 frames.
        valid: number of the clip's frames that were recorded; the others repeat the last source frame.
    """

    indices: tuple[int, ...]
    valid: int

    @property
    def recorded(self) -> tuple[int, ...]:
        """Numbers of the source frames of the clip's recorded frames, without the repetitions of the last one."""
        return self.indices[: self.valid]


def choose_window(frames: int, fps: float) -> Window:
    """Return the window of a clip in a recording of N ``frames`` at ``fps``: clip frame i is source frame floor(i * fps / 8 + 0.5), at most N - 1."""
    ideal = np.floor(np.arange(FRAMES) * (fps / FPS) + 0.5).astype(int)
    return Window(tuple(np.minimum(ideal, frames - 1).tolist()), int((ideal < frames).sum()))


class _Prompts(RootModel[dict[str, str]]):
    """The file prompts.toml: action -> template of the prompt, with placeholders for ``tool`` and ``target``."""


def build_prompt(triplet: Triplet) -> str:
    """Return the prompt for a (tool, action, target) triplet, an imperative sentence from the templates in prompts.toml.

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
