"""Progress of a run: its lines, its estimates of the time left, narrow terminals, and a console that cannot be written to any more."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from hoibench.cli.output import StatusConsole
from hoibench.cli.run_progress import RunDisplay
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.unit import Unit, UnitReport
from hoibench.progress import Progress

KINDS = {"syncmv4d+wan22_5b": "method", "random": "reference"}


class Run:
    """A display of a run with one method and one reference row on three clips, two workers, and a clock that tests set."""

    def __init__(self, *, terminal=False, width=80):
        self.file = io.StringIO()
        self.now = 0.0
        console = Console(file=self.file, force_terminal=terminal, width=width, color_system=None)
        self.display = RunDisplay(console, self.clock)
        entrants = [SimpleNamespace(key=key, spec=SimpleNamespace(kind=kind)) for key, kind in KINDS.items()]
        plan = SimpleNamespace(config=RunConfig(workers=2), device="cpu", entrants=entrants, cards=("rpe",))
        self.units = [
            Unit(name.partition("+")[0], name.partition("+")[2] or None, 0, f"clip_{i}")
            for i in range(3)
            for name in KINDS
        ]
        self.display.on_start(plan, self.units)
        self.progress = RunProgress(self.units, self.display, self.clock)

    def clock(self):
        return self.now

    def run(self, stage, number, seconds, **report):
        """Run one stage of a unit, which takes some seconds of the clock."""
        unit = self.units[number]

        def work(on_step):
            on_step("rpe@2")
            self.now += seconds
            return UnitReport(unit, stage, did_work=True, **report)

        self.progress.run_unit(stage, unit, work)

    def rendered(self):
        console = self.display._console
        with console.capture() as capture:
            console.print(self.display.render())
        return capture.get().splitlines()


def test_the_time_left_follows_each_stages_and_each_kinds_own_pace():
    run = Run()
    run.run("generate", 0, 100.0)
    assert run.display.seconds_left == 100.0 * 2 / 2
    run.run("generate", 2, 100.0)
    run.run("generate", 4, 100.0)
    run.progress.show(Progress("score", 0, 3, "syncmv4d+wan22_5b", "clip_0"))
    assert run.display.seconds_left is None  # generating says nothing about scoring
    run.run("score", 0, 10.0)
    assert run.display.seconds_left is None  # nothing is known about reference rows
    run.run("score", 1, 1.0)
    assert run.display.seconds_left == (2 * 10.0 + 2 * 1.0) / 2


def test_each_stage_and_each_failure_has_a_line():
    run = Run()
    run.progress.show(Progress("clips", 0, 3, clip="clip_0"))
    run.now = 30.0
    run.progress.show(Progress("clips", 1, 3))
    assert run.display.line() == "generating clips 2/3, 0:30, ETA 1:00"
    run.run("generate", 0, 5.0, failure="generate: KeyError")
    run.progress.show(Progress("page"))
    assert run.file.getvalue().splitlines() == [
        "6 units: 3 clips, 2 rows each, 1 metric",
        "generating clips 1/3, 0:00, ETA -",
        "syncmv4d+wan22_5b clip 1/3, 0:00, ETA -",
        "failed  syncmv4d+wan22_5b/seed-0/clip_0: generate: KeyError",
        "building the page",
    ]


@pytest.mark.parametrize("width", [40, 59, 60, 80, 200])
def test_two_lines_fit_the_terminal_and_keep_the_counts(width):
    run = Run(terminal=True, width=width)
    run.run("score", 0, 10.0)
    run.run("score", 1, 1.0)
    run.progress.show(Progress("score", 1, 3, "syncmv4d+wan22_5b", "clip_with_a_long_name_1", "matching_pixels/aliked"))
    first, second = run.rendered()
    assert max(len(first), len(second)) <= width
    assert first.startswith("scoring sync") and " clip 2/3" in first
    times, other = (first, second) if width >= 60 else (second, first)
    assert "0:11  ETA 0:11" in times and "0:11" not in other
    assert ("━" in first) == (width >= 60)


def test_a_console_that_nobody_reads_does_not_end_the_run(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    display = RunDisplay(StatusConsole())
    display.on_progress(Progress("page"))
    display.print("text")
