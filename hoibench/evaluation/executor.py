"""Executors: where generators and scorers work.  The run folder lies between them, so that either may be another process or machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.generate import Generator
from hoibench.evaluation.score import Scorer
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import UnitReport, WorkerContext

Job = tuple[ClipEntry, Sequence[Unit]]
"""A clip with units of it: one worker does them all, so that its truth is loaded once."""

OnReport = Callable[[UnitReport], None]
"""Told of each unit when one of its stages has ended."""


class Executor(Protocol):
    """Does the work of a run; each call returns when all of it is done and its workers have ended.

    ``generate`` is called for one entrant after another, so that a method is closed before the next one loads, and none shares a GPU with
    the metrics' networks; ``score`` comes last.

    Raises (both):
        OSError: the run's disk is full or unwritable; the workers were stopped.
        KeyboardInterrupt: the user stopped the run; the workers were stopped.
    """

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Make an entrant's predictions."""

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and make those that need no method."""


class InlineExecutor:
    """Everything in this process, in order."""

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Make an entrant's predictions."""
        generator = Generator(context, entrant)
        try:
            for entry, units in jobs:
                for unit in units:
                    on_report(generator.run(unit, entry))
        finally:
            generator.close()

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and make those that need no method."""
        scorer = Scorer(context)
        for entry, units in jobs:
            for unit in units:
                on_report(scorer.run(unit, entry))
