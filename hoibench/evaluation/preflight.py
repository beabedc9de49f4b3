"""Checks of everything that can be known before a run's first clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hoibench.problems import Problem


@dataclass(frozen=True)
class Findings:
    """What is wrong with a run that has not started.

    Attributes:
        problems: problems for which the run is refused.
        warnings: problems with which it runs.
        cannot_start: by key of an entrant, the problems for which it cannot start; with ``--keep-going`` the others run.
    """

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    cannot_start: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
