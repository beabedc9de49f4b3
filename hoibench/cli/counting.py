"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from hoibench.cli.progress import PLAIN_SECONDS

Count = Callable[[str, int, int], None]
"""Told of what how many of how many are done."""


@contextmanager
def counting(console: Console) -> Iterator[Count]:
    """Show how far the work is, until the block ends."""
    if console.is_terminal:
        columns = (TextColumn("[bold]{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task("", total=None)
            yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)
        return
    begun = said = time.monotonic()

    def say(what: str, done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= PLAIN_SECONDS:
            said = now
            console.print(f"{what}: {done}/{total}, {now - begun:.0f} s", markup=False, highlight=False)

    yield say
