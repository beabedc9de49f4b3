"""Progress on the terminal: a bar where there is one, plain lines where there is none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from hoibench.evaluation.plan import Plan
from hoibench.evaluation.run import Listener
from hoibench.evaluation.worker import UnitReport
from hoibench.progress import ProgressCallback

PLAIN_SECONDS = 10.0
"""Least time between two plain lines."""


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressCallback]:
    """Show progress until the block ends: a bar on a terminal, a line every ten seconds elsewhere."""
    if console.is_terminal:
        columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total)
        return
    start = last_printed = time.monotonic()

    def print_line(stage: str, done: int, total: int) -> None:
        nonlocal last_printed
        now = time.monotonic()
        if now - last_printed >= PLAIN_SECONDS:
            last_printed = now
            console.print(f"{stage}: {done}/{total}, {now - start:.0f} s", markup=False, highlight=False)

    yield print_line


def make_listener(console: Console) -> Listener:
    """A bar on a terminal, plain lines elsewhere."""
    return RichListener(console) if console.is_terminal else PlainListener(console)


class RichListener:
    """One bar over all units, failures printed above it as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed = 0
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip

    def started(self, plan: Plan, steps: int) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("starting", total=steps, failed="")
        self._bar.start()

    def reported(self, report: UnitReport) -> None:
        """Advance."""
        assert self._task is not None
        if _counts(report):
            self._failed += 1
            self._console.print(
                f"failed  {report.unit.key}: {report.failure}", style="red", markup=False, highlight=False
            )
        self._bar.update(
            self._task,
            advance=1,
            description=_doing(report),
            failed=f"[red]{self._failed} failed" if self._failed else "",
        )

    def stopped(self) -> None:
        """Take the bar away."""
        self._bar.stop()


@dataclass
class PlainListener:
    """A line now and then, and one for every failure."""

    console: Console
    _total: int = 0
    _done: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _said: float = 0.0

    def started(self, plan: Plan, steps: int) -> None:
        """Say how much there is to do."""
        self._total = steps
        clips = len({unit.clip for unit in plan.units})
        self._say(f"{len(plan.units)} units: {clips} clips, {len(plan.entrants)} rows each, {len(plan.cards)} metrics")

    def reported(self, report: UnitReport) -> None:
        """Say where we are, at most every ten seconds, and every failure."""
        self._done += 1
        if _counts(report):
            self._say(f"failed  {report.unit.key}: {report.failure}")
        now = time.monotonic()
        if now - self._said >= PLAIN_SECONDS or self._done == self._total:
            self._said = now
            self._say(f"{self._done}/{self._total} steps, {_doing(report)}, {now - self._begun:.0f} s")

    def stopped(self) -> None:
        """Nothing to take away."""

    def _say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _doing(report: UnitReport) -> str:
    return f"generating {report.unit.entrant}" if report.stage == "generate" else "scoring"


def _counts(report: UnitReport) -> bool:
    """Whether a report is of a failure that is not the consequence of another."""
    return report.failure is not None and not report.follows
