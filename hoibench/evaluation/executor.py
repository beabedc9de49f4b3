"""Executors run generators and scorers; these share nothing but the run folder, so that each may be in another process or on another machine."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import is_fatal, record_failure
from hoibench.evaluation.generator import Generator
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.scorer import Scorer
from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.evaluation.worker import WorkerContext
from hoibench.processes import TaskPool, Worker, WorkerCrash

log = logging.getLogger(__name__)

LOAD_TIMEOUT_FACTOR = 10.0
"""Loading a clip and a method may each take this many times the unit timeout."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"

Job = tuple[ClipEntry, Sequence[Unit]]
"""A clip with some of its units; one worker does them all, so that the clip is loaded once."""

OnReport = Callable[[UnitReport], None]
"""Called at the end of each stage of each unit."""


class Executor(Protocol):
    """The interface of executors; each call returns when all jobs are done and the workers have ended.

    ``generate`` is called for one entrant after another, so that a method is closed before the next one loads, and no method shares a GPU
    with the metrics' networks; ``score`` is called last.

    Raises (both):
        OSError: the run's disk is full or unwritable; the workers were stopped.
        KeyboardInterrupt: the user interrupted the run; the workers were stopped.
    """

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Generate an entrant's predictions."""

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and build those that need no method."""


class InlineExecutor:
    """Runs every job in this process, in order."""

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Generate an entrant's predictions."""
        generator = Generator(context, entrant)
        try:
            for entry, units in jobs:
                for unit in units:
                    on_report(generator.run(unit, entry))
        finally:
            generator.close()

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and build those that need no method."""
        scorer = Scorer(context)
        for entry, units in jobs:
            for unit in units:
                on_report(scorer.run(unit, entry))


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs in ``workers`` processes of this machine, each on one clip at a time.

    A unit that takes over ``timeout`` seconds, or whose process dies, fails; a new process takes the next unit.
    """

    workers: int
    timeout: float | None = None

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Generate an entrant's predictions."""
        self._run_jobs("generate", (context, entrant), context, jobs, on_report)

    def score(self, context: WorkerContext, jobs: Sequence[Job], on_report: OnReport) -> None:
        """Score stored predictions, and build those that need no method."""
        self._run_jobs("score", (context, None), context, jobs, on_report)

    def _run_jobs(
        self, stage: Stage, arguments: tuple[Any, ...], context: WorkerContext, jobs: Sequence[Job], on_report: OnReport
    ) -> None:
        lock = threading.Lock()

        def report(ended: UnitReport) -> None:
            with lock:
                on_report(ended)

        def run_job(worker: Worker, job: Job) -> None:
            entry, units = job
            for unit in units:
                step, limit = "load", None if self.timeout is None else LOAD_TIMEOUT_FACTOR * self.timeout
                try:
                    if limit is not None:  # a new process loads the clip and the method; this time does not count
                        worker.call(_load_clip, entry, timeout=limit)
                        step = stage
                        worker.call(_load_method, timeout=limit)
                    step, limit = stage, self.timeout
                    report(worker.call(_run_unit, unit, entry, timeout=limit))
                except (WorkerCrash, TimeoutError) as error:
                    timed_out = isinstance(error, TimeoutError) and limit is not None
                    reason = f"no result within {limit:g} s (--unit-timeout)" if timed_out else str(error)
                    record_failure(context.out, unit, step, reason)
                    report(UnitReport(unit, stage, True, f"{step}: {reason}"))

        TaskPool(self.workers, _start_worker, arguments).run(jobs, run_job, last=_close_worker)


def choose_executor(plan: Plan, jobs: int, *, runs_methods: bool = False) -> Executor:
    """Choose the executor for a number of jobs; methods run in processes, since they may die or change the working folder."""
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
"""In a worker process: its generator or scorer."""


def _start_worker(context: WorkerContext, entrant: str | None) -> None:
    global _runner
    import cv2

    cv2.setNumThreads(1)  # the workers share the cores
    log_to_file(context.out / "log.txt")
    _runner = Scorer(context) if entrant is None else Generator(context, entrant)


def _load_clip(entry: ClipEntry) -> None:
    assert _runner is not None
    with _log_load_errors(f"clip {entry.id}"):
        _runner.load_clip(entry)


def _load_method() -> None:
    if isinstance(_runner, Generator):
        with _log_load_errors(f"method {_runner.entrant.key}"):
            _runner.load_method()


@contextmanager
def _log_load_errors(subject: str) -> Iterator[None]:
    """Log a loading error that is not fatal; the unit will fail with the same error and record it."""
    try:
        yield
    except BaseException as error:
        if is_fatal(error):
            raise
        log.exception("%s cannot be loaded", subject)


def _run_unit(unit: Unit, entry: ClipEntry) -> UnitReport:
    assert _runner is not None
    return _runner.run(unit, entry)


def _close_worker() -> None:
    if isinstance(_runner, Generator):
        _runner.close()


def log_to_file(path: Path) -> logging.Handler:
    """Append this process's log to a file, which processes share: each line is written at once."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler
