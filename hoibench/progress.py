"""Callbacks by which long work reports how far it is, and estimates of the time left; the command line shows them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

ProgressCallback = Callable[[str, int, int], None]
"""Progress callback: (stage, done, total)."""

MessageCallback = Callable[[str], None]
"""Callback for a short message about a slow step that begins."""

ProgressStage = Literal["loading", "clips", "generate", "score", "page"]
"""The stages of a run, in order: loading libraries and names, generating clips, generating predictions, scoring them, and the page."""


@dataclass(frozen=True)
class Progress:
    """The work that a run does now.

    Attributes:
        stage: the run's stage.
        done, total: numbers of clips, in ``generate`` and ``score`` of this entrant, that are done with this stage, and of all.
        entrant: the entrant's key, or an empty text.
        clip: the clip's id, or an empty text.
        detail: what is done with it, such as the id of a metric, or an empty text.
    """

    stage: ProgressStage
    done: int = 0
    total: int = 0
    entrant: str = ""
    clip: str = ""
    detail: str = ""


def estimate_seconds(durations: Sequence[float], left: int, workers: int = 1) -> float | None:
    """Estimate the seconds that workers need for ``left`` more items from the durations of earlier ones; None without any.

    >>> estimate_seconds([2.0, 3.0, 30.0], 4, workers=2)
    6.0
    """
    return statistics.median(durations) * left / workers if durations else None
