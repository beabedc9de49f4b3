"""Callbacks by which long work reports how far it is; the command line shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

ProgressCallback = Callable[[str, int, int], None]
"""Progress callback: (stage, done, total)."""

MessageCallback = Callable[[str], None]
"""Callback for a short message about a slow step that begins."""

ProgressStage = Literal["loading", "clips", "generate", "score", "page"]
"""The stages of a run, in order: loading libraries or a method, making clips, generating, scoring, and the page."""


@dataclass(frozen=True)
class Progress:
    """The work that a run does now.

    Attributes:
        stage: the run's stage.
        done, total: numbers of items of this stage, and in ``generate`` and ``score`` of this entrant, that are done, and of all.
        entrant: the entrant's key, or an empty text.
        clip: the clip's id, or an empty text.
        detail: what is done with it, such as the id of a metric, or an empty text.
    """

    stage: ProgressStage
    done: int
    total: int
    entrant: str = ""
    clip: str = ""
    detail: str = ""


RunProgressCallback = Callable[[Progress], None]
"""Callback for what a run does now."""
