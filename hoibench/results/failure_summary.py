"""Failures of a run joined into lines, one for each method, stage and reason, the same on the leaderboard page and in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hoibench.results.run_record import Failure

MAX_LINES = 10
"""Lines that the page and the terminal show; run.json has every failure."""
_MAX_NAMES = 3


@dataclass(frozen=True)
class FailureLine:
    """The failures of one method at one stage for one reason.

    Attributes:
        method: the method's key ``METHOD[+PRESET]``.
        clips: ids of the clips, each once.
        total: number of clips of the run.
        stage: see ``Failure``.
        reason: the reason that all share, with CLIP for the clip's folder in paths.
        log, output: those of the first of these failures.
        units: number of failures, at least that of the clips, since a clip may fail with several seeds.
    """

    method: str
    clips: tuple[str, ...]
    total: int
    stage: str
    reason: str
    log: str | None
    output: str
    units: int

    @property
    def clips_text(self) -> str:
        """The number of clips and the first names, e.g. ``2 of 6: a, b``, or ``6 of 6``."""
        count = f"{len(self.clips)} of {self.total}"
        if len(self.clips) == self.total:
            return count
        names = ", ".join(self.clips[:_MAX_NAMES])
        return f"{count}: {names}{', ...' if len(self.clips) > _MAX_NAMES else ''}"


def summarize_failures(failures: Iterable[Failure], total: int) -> tuple[FailureLine, ...]:
    """Join the failures of a run that have the same method, stage and reason except for the clip's folder, in the order of the first of each.

    >>> failures = [Failure(unit=f"mine/seed-0/{clip}", stage="generate", reason=f"no p/{clip}") for clip in ("1", "2")]
    >>> [(line.method, line.clips_text, line.reason) for line in summarize_failures(failures, total=6)]
    [('mine', '2 of 6: 1, 2', 'no p/CLIP')]

    Args:
        failures: from run.json.
        total: number of clips of the run.
    """
    groups: dict[tuple[str, str, str], list[tuple[str, Failure]]] = {}
    for failure in failures:
        method, clip = _method_and_clip(failure.unit)
        reason = re.sub(rf"/{re.escape(clip)}\b", "/CLIP", failure.reason) if clip else failure.reason
        groups.setdefault((method, failure.stage, reason), []).append((clip, failure))
    return tuple(
        FailureLine(
            method=method,
            clips=tuple(dict.fromkeys(clip for clip, _ in members if clip)),
            total=total,
            stage=stage,
            reason=reason if len({clip for clip, _ in members}) > 1 else members[0][1].reason,
            log=members[0][1].log,
            output=members[0][1].output,
            units=len(members),
        )
        for (method, stage, reason), members in groups.items()
    )


def _method_and_clip(unit: str) -> tuple[str, str]:
    """Split ``METHOD[+PRESET]/seed-S/CLIP``; the method of a reference row made from another's first frame has a slash."""
    method, found, rest = unit.rpartition("/seed-")
    return (method, rest.partition("/")[2]) if found else (unit, "")
