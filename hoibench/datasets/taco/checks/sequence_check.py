"""The form of a check of one recorded sequence, and the functions that run checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from hoibench.datasets.surfaces import Surface
from hoibench.datasets.taco.checks.contact import Contact, measure_contacts
from hoibench.datasets.taco.hand.hand_models import truth_kind
from hoibench.datasets.taco.recording import Recording
from hoibench.datasets.taco.silhouettes.compare import VideoComparison
from hoibench.problems import Problem, raise_if_any

_FRAMES = 8
_CONTACT_FRAMES = 16
_CONTACT_TOLERANCE, _REPLACED_TOLERANCE = 0.012, 0.02


@dataclass(frozen=True, eq=False)
class CheckedSequence:
    """A recording to check, and the downloaded videos to check with it.

    Attributes:
        recording: the recording, with the hand model to check with.
        videos: camera serial -> path of its video, all of one kind; only of calibrated cameras.
    """

    recording: Recording
    videos: Mapping[str, Path]

    @property
    def name(self) -> str:
        """The name of the sequence in problems: ``sequence KEY``."""
        return f"sequence {self.recording.sequence.key}"

    @cached_property
    def some_frames(self) -> list[int]:
        """Numbers of up to 8 evenly spaced frames, the first and the last included."""
        return self._spaced(_FRAMES)

    @cached_property
    def surfaces(self) -> tuple[Surface, ...]:
        """Left hand, right hand, tool and target in ``some_frames``."""
        return self.recording.surfaces_in(self.some_frames)

    @cached_property
    def comparison(self) -> VideoComparison | None:
        """The comparison of the videos with the silhouettes of hands and objects; None without videos."""
        return VideoComparison(self.recording, self.videos) if self.videos else None

    @cached_property
    def contact_frames(self) -> list[int]:
        """Numbers of up to 16 evenly spaced frames, in which contact is measured."""
        return self._spaced(_CONTACT_FRAMES)

    @cached_property
    def contacts(self) -> tuple[Contact, ...]:
        """The contact of both hands with tool and target in ``contact_frames``."""
        return measure_contacts(self.recording, self.contact_frames, self.recording.object_poses)

    @property
    def contact_tolerance(self) -> float:
        """Metres by which the skin of a hand that holds an object may be off its surface, in the median frame.

        Noise of poses, plus how far a proxy's skin may be off that of MANO's hand if it replaces it.
        """
        model = self.recording.hand_model
        is_replaced = truth_kind(self.recording.download.hand_model, model) == "proxy-hand"
        return _CONTACT_TOLERANCE + (_REPLACED_TOLERANCE if is_replaced else 0.0)

    def _spaced(self, count: int) -> list[int]:
        frames: list[int] = np.unique(np.linspace(0, self.recording.frames - 1, count).astype(int)).tolist()
        return frames


@dataclass(frozen=True)
class Finding:
    """A problem that a check has found.

    Attributes:
        severity: ``refuse`` if the sequence's clips would certainly be wrong, else ``warn``.
        problem: the problem.
        camera: serial of the only camera whose views are wrong; empty if those of all cameras are.
    """

    severity: Literal["refuse", "warn"]
    problem: Problem
    camera: str = ""


@dataclass(frozen=True)
class SequenceCheck:
    """A check of one recorded sequence for one fault.

    Attributes:
        id: a short name, stable across versions; that of the doctor's check.
        bad: the result in a few words if there are findings.
        good: the result in a few words if there are none.
        fix: what the user can do.
        find: returns the findings in a sequence; raises FileNotFoundError and ValueError only if a file of the sequence is missing or damaged.
    """

    id: str
    bad: str
    good: str
    fix: str
    find: Callable[[CheckedSequence], Iterable[Finding]]


def find_all(checks: Iterable[SequenceCheck], checked: CheckedSequence) -> Iterator[Finding]:
    """Yield the findings of all checks; the fix of a check is that of its problems without one.

    Raises:
        FileNotFoundError: a file of the sequence is missing.
        ValueError: a file of the sequence is damaged.
    """
    for check in checks:
        for finding in check.find(checked):
            fixed = replace(finding.problem, fix=finding.problem.fix or check.fix)
            yield replace(finding, problem=fixed)


def raise_refusals(findings: Iterable[Finding]) -> tuple[str, ...]:
    """Return the warnings among findings as text.

    Raises:
        ProblemsFound: a sequence is refused; lists all problems for which it is.
    """
    every = tuple(findings)
    raise_if_any(finding.problem for finding in every if finding.severity == "refuse")
    return tuple(str(finding.problem) for finding in every)
