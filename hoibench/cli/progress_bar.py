"""Progress on the terminal: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hoibench.progress import ProgressCallback

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
