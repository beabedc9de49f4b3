"""The time that each stage of a run takes, in its log.txt: one line for each unit of work, with the seconds of its steps."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)

_LEAST = 0.005


class StageTimes:
    """The steps of one stage of a unit of work, with the wall and processor seconds of each; those of equal names are added up.

        times = StageTimes("score", "frozen/seed-0/CLIP")
        with times.step("ssim@1"):
            ...
        times.log()  # score frozen/seed-0/CLIP: ssim@1 0.42 s (processor 0.40 s)

    Processor seconds are those of this process with all its threads; unlike wall seconds, they hardly depend on what else the machine does.
    """

    def __init__(self, stage: str, subject: str) -> None:
        self._title = f"{stage} {subject}"
        self._seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time of the block to a step."""
        wall, processor = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            before = self._seconds.get(name, (0.0, 0.0))
            self._seconds[name] = before[0] + time.perf_counter() - wall, before[1] + time.process_time() - processor

    def log(self) -> None:
        """Log one line with the steps that took at least 5 ms, unless none did."""
        steps = [f"{name} {w:.2f} s (processor {p:.2f} s)" for name, (w, p) in self._seconds.items() if w >= _LEAST]
        if steps:
            log.info("%s: %s", self._title, ", ".join(steps))


@contextmanager
def log_time(stage: str, subject: str, step: str) -> Iterator[None]:
    """Log the time of the block, as the only step of a stage."""
    times = StageTimes(stage, subject)
    try:
        with times.step(step):
            yield
    finally:
        times.log()
