"""The local executor: generators and scorers in processes of this machine, each of which can be killed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.executor import Executor, InlineExecutor, Job, OnReport
from hoibench.evaluation.failures import is_fatal, record_failure
from hoibench.evaluation.generate import Generator
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.score import Scorer
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import Stage, UnitReport, WorkerContext
from hoibench.processes import TaskPool, Worker, WorkerCrash

log = logging.getLogger(__name__)

LOAD_TIMEOUT_FACTOR = 10.0
"""Times the unit timeout that loading a clip and a method may take."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"


@dataclass(frozen=True)
class LocalExecutor:
    """Processes of this machine: ``workers`` at once, each with one clip at a time.

    A unit over ``timeout`` seconds, or whose process dies, fails; a fresh process goes on with the next one.
    """

    workers: int
    timeout: float | None = None

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Make an entrant's predictions."""
        self._work("generate", (context, entrant), context, jobs, on_report)

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and make those that need no method."""
        self._work("score", (context, None), context, jobs, on_report)

    def _work(
        self, stage: Stage, arguments: tuple[Any, ...], context: WorkerContext, jobs: Sequence[Job], on_report: OnReport
    ) -> None:
        lock = threading.Lock()

        def report(ended: UnitReport) -> None:
            with lock:
                on_report(ended)

        def do(worker: Worker, job: Job) -> None:
            entry, units = job
            for unit in units:
                step, limit = "load", None if self.timeout is None else LOAD_TIMEOUT_FACTOR * self.timeout
                try:
                    if limit is not None:  # a fresh process has clip and method to load, which is not charged
                        worker.call(_load_clip, entry, timeout=limit)
                        step = stage
                        worker.call(_load_method, timeout=limit)
                    step, limit = stage, self.timeout
                    report(worker.call(_run, unit, entry, timeout=limit))
                except (WorkerCrash, TimeoutError) as error:
                    late = isinstance(error, TimeoutError) and limit is not None
                    reason = f"gave no result in {limit:g} s (--unit-timeout)" if late else str(error)
                    record_failure(context.out, unit, step, reason)
                    report(UnitReport(unit, stage, 0.0, True, f"{step}: {reason}"))

        TaskPool(self.workers, _start, arguments).run(jobs, do, last=_close)


def make_executor(plan: Plan, jobs: int, *, runs_methods: bool = False) -> Executor:
    """The executor for a number of jobs; one that ``runs_methods`` has processes, since these may die or change the working folder."""
    config = plan.config
    workers = min(config.workers or _default_workers(plan.device), max(jobs, 1))
    needs_processes = runs_methods or workers > 1 or config.unit_timeout is not None
    if config.executor == "inline" or not needs_processes:
        return InlineExecutor()
    return LocalExecutor(workers, config.unit_timeout)


def _default_workers(device: str) -> int:
    if device == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_runner: Generator | Scorer | None = None


def _start(context: WorkerContext, entrant: str | None) -> None:
    global _runner
    import cv2

    cv2.setNumThreads(1)  # the workers share the cores
    log_to(context.out / "log.txt")
    _runner = Scorer(context) if entrant is None else Generator(context, entrant)


def _load_clip(entry: ClipEntry) -> None:
    assert _runner is not None
    with _left_to_the_unit(f"clip {entry.id}"):
        _runner.load_clip(entry)


def _load_method() -> None:
    if isinstance(_runner, Generator):
        with _left_to_the_unit(f"method {_runner.entrant.key}"):
            _runner.load_method()


@contextmanager
def _left_to_the_unit(what: str) -> Iterator[None]:
    """Log an error of loading: the unit will fail with it, and say so."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if is_fatal(error):
            raise
        log.exception("%s cannot be loaded", what)


def _run(unit: Unit, entry: ClipEntry) -> UnitReport:
    assert _runner is not None
    return _runner.run(unit, entry)


def _close() -> None:
    if isinstance(_runner, Generator):
        _runner.close()


def log_to(path: Path) -> logging.Handler:
    """Send this process's log to a file, appending whole lines; processes share the file."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler
