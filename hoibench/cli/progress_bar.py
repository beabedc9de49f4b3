"""Progress on the terminal: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hoibench.progress import ProgressCallback

if TYPE_CHECKING:
    from hoibench.evaluation.plan import Plan
    from hoibench.evaluation.run import RunListener
    from hoibench.evaluation.unit import UnitReport

LINE_INTERVAL = 10.0
"""Least time in seconds between two lines."""


def progress_bar(console: Console) -> AbstractContextManager[ProgressCallback]:
    """Show progress, in items, until the block ends."""
    return _show_progress(console, (MofNCompleteColumn(), TimeElapsedColumn()), str)


def download_bar(console: Console) -> AbstractContextManager[ProgressCallback]:
    """Show the progress of a download, in bytes, until the block ends."""
    return _show_progress(console, (DownloadColumn(), TransferSpeedColumn()), lambda count: f"{count / 1e6:.1f} MB")


@contextmanager
def _show_progress(
    console: Console, columns: Sequence[ProgressColumn], to_text: Callable[[int], str]
) -> Iterator[ProgressCallback]:
    if console.is_terminal:
        shown = (TextColumn("[bold]{task.description}"), BarColumn(), *columns, TimeRemainingColumn())
        with Progress(*shown, console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total or None)
        return
    start = last_printed = time.monotonic()

    def print_line(stage: str, done: int, total: int) -> None:
        nonlocal last_printed
        now = time.monotonic()
        if now - last_printed >= LINE_INTERVAL:
            last_printed = now
            of_total = f"/{to_text(total)}" if total else ""
            console.print(f"{stage}: {to_text(done)}{of_total}, {now - start:.0f} s", markup=False, highlight=False)

    yield print_line


def make_listener(console: Console) -> RunListener:
    """Return the listener that shows a run's progress on this console."""
    return BarListener(console) if console.is_terminal else LineListener(console)


class BarListener:
    """One bar over all units; failures are printed above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._failed = 0
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[failed]}"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=console, transient=True,
        )  # fmt: skip

    def on_start(self, plan: Plan, steps: int) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("starting", total=steps, failed="")
        self._bar.start()

    def on_report(self, report: UnitReport) -> None:
        """Advance the bar, and print a failure."""
        assert self._task is not None
        if _is_new_failure(report):
            self._failed += 1
            self._console.print(
                f"failed  {report.unit.key}: {report.failure}",
                style="red",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
        self._bar.update(
            self._task,
            advance=1,
            description=_stage_name(report),
            failed=f"[red]{self._failed} failed" if self._failed else "",
        )

    def on_end(self) -> None:
        """Remove the bar."""
        self._bar.stop()


@dataclass
class LineListener:
    """A line every ten seconds, and one for every failure."""

    console: Console
    _total: int = 0
    _done: int = 0
    _start: float = field(default_factory=time.monotonic)
    _last_printed: float = 0.0

    def on_start(self, plan: Plan, steps: int) -> None:
        """Print how much work the run has."""
        self._total = steps
        clips = len({unit.clip for unit in plan.units})
        self._print(
            f"{len(plan.units)} units: {clips} clips, {len(plan.entrants)} rows each, {len(plan.cards)} metrics"
        )

    def on_report(self, report: UnitReport) -> None:
        """Print every failure and, every ten seconds, the progress."""
        self._done += 1
        if _is_new_failure(report):
            self._print(f"failed  {report.unit.key}: {report.failure}")
        now = time.monotonic()
        if now - self._last_printed >= LINE_INTERVAL or self._done == self._total:
            self._last_printed = now
            self._print(f"{self._done}/{self._total} steps, {_stage_name(report)}, {now - self._start:.0f} s")

    def on_end(self) -> None:
        """Do nothing."""

    def _print(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def _stage_name(report: UnitReport) -> str:
    return f"generating {report.unit.entrant}" if report.stage == "generate" else "scoring"


def _is_new_failure(report: UnitReport) -> bool:
    """Return True for a failure that was not caused by another one."""
    return report.failure is not None and not report.source_failed
