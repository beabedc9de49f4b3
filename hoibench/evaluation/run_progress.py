"""The progress of a run: who is told of it, and the counts of what is done."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.processes import MessageHandler
from hoibench.progress import Progress

if TYPE_CHECKING:
    from hoibench.evaluation.plan import Plan


class RunListener(Protocol):
    """The interface of objects that show a run's progress; one call is made at a time, besides those of ``on_line``."""

    def on_start(self, plan: Plan, units: Sequence[Unit]) -> None:
        """Handle the start.  Reports will follow: of each of ``units``, two if its method runs, else one."""

    def on_progress(self, progress: Progress) -> None:
        """Handle the start of a step, such as a unit or a metric."""

    def on_report(self, report: UnitReport) -> None:
        """Handle the end of one stage of a unit."""

    def on_line(self, label: str, line: str) -> None:
        """With ``--verbose``, handle a line that a worker's process has printed; ``label`` names the method and the clip.  Called by threads."""


class RunProgress:
    """Counts the clips that each entrant is done with in each stage, and tells the listener; its methods may be called in several threads."""

    def __init__(
        self, units: Iterable[Unit], listener: RunListener, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._lock = threading.Lock()
        left = Counter((unit.entrant, unit.clip) for unit in units)
        self._left: dict[Stage, Counter[tuple[str, str]]] = {"generate": left.copy(), "score": left}
        self._total = Counter(entrant for entrant, _ in left)
        self._done: Counter[tuple[Stage, str]] = Counter()

    def run_unit(self, stage: Stage, unit: Unit, run: Callable[[MessageHandler], UnitReport]) -> None:
        """Run one stage of a unit and report its end; ``run`` is given a function to call with a text at each step, such as a metric's id."""
        self.begin(stage, unit)
        start = self._clock()
        self.end(replace(run(partial(self.begin, stage, unit)), seconds=self._clock() - start))

    def begin(self, stage: Stage, unit: Unit, step: object = "") -> None:
        """Report the start of a unit's stage, or of a step of it."""
        with self._lock:
            done = self._done[stage, unit.entrant]
            total = self._total[unit.entrant]
            self._listener.on_progress(Progress(stage, done, total, unit.entrant, unit.clip, str(step)))

    def end(self, report: UnitReport) -> None:
        """Report the end of one stage of a unit."""
        unit, left = report.unit, self._left[report.stage]
        with self._lock:
            left[unit.entrant, unit.clip] -= 1
            if not left[unit.entrant, unit.clip]:
                self._done[report.stage, unit.entrant] += 1
            self._listener.on_report(report)

    def show(self, progress: Progress) -> None:
        """Report the start of a step outside the units."""
        with self._lock:
            self._listener.on_progress(progress)
