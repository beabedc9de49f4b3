"""The progress of a run on the terminal: two lines that change in place, or else a line every few seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from hoibench.progress import Progress, estimate_seconds
from hoibench.text import count

if TYPE_CHECKING:
    from hoibench.evaluation.plan import Plan
    from hoibench.evaluation.unit import Unit, UnitReport

LINE_INTERVAL = 8.0
"""Seconds between two lines where there is no terminal."""

WIDE = 60
"""Columns of a terminal from which on there is a bar."""

_LONGEST_BAR = 30


@contextmanager
def show_run(console: Console) -> Iterator[RunDisplay]:
    """Show the progress of a run until the block ends, from loading on."""
    display = RunDisplay(console)
    if not console.is_terminal:
        with display.print_lines():
            yield display
        return
    live = Live(get_renderable=display.render, console=console, transient=True, redirect_stdout=False)
    with suppress(OSError):  # the terminal is gone, which must not end the run
        live.start(refresh=True)
    try:
        yield display
    finally:
        with suppress(OSError):
            live.stop()


class RunDisplay:
    """Holds what a run does now, since when, and how long the rest of the stage may take; a listener of the run.

    Args:
        console: where failures and messages are printed, and the progress if it is no terminal.
        clock: returns the time in seconds.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._lock = threading.RLock()
        self._now = Progress("loading")
        self._stage_start = clock()
        self._last_line = float("-inf")
        self._kinds: dict[str, str] = {}
        self._count_workers: Callable[..., int] = lambda jobs, *, scores: 1
        self._left: dict[tuple[str, str], Counter[str]] = {}
        self._units: Counter[tuple[str, str]] = Counter()
        self._durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self._failed = 0
        self._is_broken = False

    def on_start(self, plan: Plan, units: Sequence[Unit]) -> None:
        """Print how much work the run has."""
        from hoibench.evaluation.executor import count_workers

        with self._lock:
            self._kinds = {entrant.key: entrant.spec.kind for entrant in plan.entrants}
            self._count_workers = partial(count_workers, plan.config, plan.device)
            for unit in units:
                for stage in ("generate", "score"):
                    self._units[stage, unit.entrant] += 1
                    self._left.setdefault((stage, unit.entrant), Counter())[unit.clip] += 1
        clips = len({unit.clip for unit in units})
        self.print(
            f"{count(len(units), 'unit')}: {count(clips, 'clip')}, {count(len(plan.entrants), 'row')} each, {count(len(plan.cards), 'metric')}"
        )

    def on_progress(self, progress: Progress) -> None:
        """Show the start of a step."""
        with self._lock:
            is_new_stage = _stage_key(progress) != _stage_key(self._now)
            self._now = progress
            if is_new_stage:
                self._stage_start = self._clock()
                self._print_line()

    def on_report(self, report: UnitReport) -> None:
        """Print a failure, and note how long the stage of the unit took."""
        unit, stage = report.unit, report.stage
        with self._lock:
            if (stage, unit.entrant) in self._left:
                self._left[stage, unit.entrant][unit.clip] -= 1
            if report.did_work:
                self._durations[stage, self._pace_of(stage, unit.entrant)].append(report.seconds)
        if report.failure is not None and not report.source_failed:
            self._failed += 1
            self.print(f"failed  {unit.key}: {report.failure}", style="red" if self._console.is_terminal else "")

    def on_line(self, label: str, line: str) -> None:
        """Print a line of a worker's process after the method and the clip."""
        self.print(f"{label} | {line}")

    def print(self, text: str, style: str = "") -> None:
        """Print a line; a console that cannot be written to any more is given up silently."""
        if self._is_broken:
            return
        try:
            self._console.print(text, style=style or None, markup=False, highlight=False, soft_wrap=True)
        except OSError:
            self._is_broken = True

    @property
    def seconds_left(self) -> float | None:
        """The estimated seconds until the end of the stage, from the pace of this stage in this run; None if it is unknown."""
        now = self._now
        if now.stage == "clips":
            return (self._clock() - self._stage_start) / now.done * (now.total - now.done) if now.done else None
        seconds = 0.0
        jobs: set[str] = set()
        for entrant, left in self._left_units().items():
            estimate = estimate_seconds(self._durations[now.stage, self._pace_of(now.stage, entrant)], left)
            if estimate is None:
                return None
            seconds += estimate
            jobs |= {clip for clip, units in self._left[now.stage, entrant].items() if units > 0}
        return seconds / self._count_workers(len(jobs), scores=now.stage == "score") if jobs else None

    @property
    def share_done(self) -> float | None:
        """The share of the stage's work that is done; None if it is unknown."""
        now = self._now
        if now.stage == "clips":
            return now.done / now.total
        left = self._left_units()
        total = sum(self._units[now.stage, entrant] for entrant in self._entrants())
        return 1 - sum(left.values()) / total if total else None

    def line(self) -> str:
        """Return the progress as one line of text."""
        now = self._now
        if now.stage in ("loading", "page"):
            return ": ".join(filter(None, (_title(now), now.detail)))
        detail = f": {now.detail}" if now.detail else ""
        return f"{_title(now)}{detail}, {_format_time(self._elapsed)}, ETA {_format_time(self.seconds_left)}"

    def render(self) -> Group:
        """Return the progress as two lines for a terminal."""
        with self._lock:
            width, share, now = self._console.width, self.share_done, self._now
            times = f"{_format_time(self._elapsed)}"
            if now.stage not in ("loading", "page"):
                times += f"  ETA {_format_time(self.seconds_left)}"
            detail = ": ".join(filter(None, (now.clip, now.detail)))
            failed = f"{self._failed} failed" if self._failed else ""
            second = Text("  ".join(filter(None, ("", failed, detail))), style="dim")
            if width < WIDE:
                first = Text(_title(now, width), style="bold")
                second = Text("  ".join(filter(None, (times, failed, detail))), style="dim")
            else:
                title = _title(now, width - len(times) - 4)
                first = Text.assemble(
                    (title, "bold"), "  ", *self._bar(share, width - len(title) - len(times) - 5), times
                )
            for text in (first, second):
                text.no_wrap, text.overflow = True, "ellipsis"
            return Group(first, second)

    def _bar(self, share: float | None, room: int) -> list[tuple[str, str]]:
        room = min(room, _LONGEST_BAR)
        if share is None or room < 5:
            return []
        done, left = ("#", "-") if self._console.options.ascii_only else ("━", "─")
        length = round(share * room)
        return [(done * length, "green"), (left * (room - length), "dim"), ("  ", "")]

    @contextmanager
    def print_lines(self) -> Iterator[None]:
        """Print a line now, at the start of each stage, and every few seconds in between, until the block ends."""
        has_ended = threading.Event()

        def print_if_due() -> None:
            while not has_ended.wait(0.5):
                with self._lock:
                    if self._clock() - self._last_line >= LINE_INTERVAL:
                        self._print_line()

        thread = threading.Thread(target=print_if_due, name="progress", daemon=True)
        self._print_line()
        thread.start()
        try:
            yield
        finally:
            has_ended.set()
            thread.join()

    def _print_line(self) -> None:
        if not self._console.is_terminal:
            self._last_line = self._clock()
            self.print(self.line())

    @property
    def _elapsed(self) -> float:
        return self._clock() - self._stage_start

    def _entrants(self) -> list[str]:
        """Return the entrants whose units belong to the stage: one generates at a time, and all are scored together."""
        return [self._now.entrant] if self._now.stage == "generate" else list(self._kinds)

    def _left_units(self) -> dict[str, int]:
        stage = self._now.stage
        return {
            entrant: units
            for entrant in self._entrants()
            if (stage, entrant) in self._left and (units := sum(self._left[stage, entrant].values()))
        }

    def _pace_of(self, stage: str, entrant: str) -> str:
        """Return the group of entrants that are about equally fast: each method generates at its own pace."""
        return entrant if stage == "generate" else self._kinds.get(entrant, "")


def _stage_key(progress: Progress) -> tuple[str, str]:
    return progress.stage, progress.entrant if progress.stage == "generate" else ""


def _title(progress: Progress, width: int | None = None) -> str:
    """Return what is done as text; a name that does not fit the width is shortened in the middle."""
    if progress.stage == "loading":
        return "loading"
    if progress.stage == "page":
        return "building the page"
    number = f"{min(progress.done + 1, progress.total)}/{progress.total}"
    if progress.stage == "clips":
        return f"generating clips {number}"
    before, after = ("scoring " if progress.stage == "score" else ""), f" clip {number}"
    room = len(progress.entrant) if width is None else width - len(before) - len(after)
    return f"{before}{_shorten(progress.entrant, room)}{after}"


def _shorten(name: str, length: int) -> str:
    """Shorten a name in the middle.

    >>> _shorten("syncmv4d+wan22_5b", 11)
    'sync...2_5b'
    """
    length = max(length, 5)
    if len(name) <= length:
        return name
    head = (length - 3 + 1) // 2
    return f"{name[:head]}...{name[len(name) - (length - 3 - head) :]}"


def _format_time(seconds: float | None) -> str:
    """Return a duration as minutes and seconds, or hours, minutes and seconds.

    >>> _format_time(41.2), _format_time(3725), _format_time(None)
    ('0:41', '1:02:05', '-')
    """
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
