"""Executors run generators and scorers; these share nothing but the run folder, so that each may be in another process or on another machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.failures import add_output, record_failure
from hoibench.evaluation.generator import Generator
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.scorer import Scorer
from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import close_worker, load_clip, load_method, run_unit, start_worker
from hoibench.plugins import is_built_in
from hoibench.processes import MessageHandler, OnLine, OutputLog, TaskPool, Worker, WorkerCrash, handle_messages

LOAD_TIMEOUT_FACTOR = 10.0
"""Loading a clip and a method may each take this many times the unit timeout."""

Job = tuple[ClipEntry, Sequence[Unit]]
"""A clip with some of its units; one worker does them all, so that the clip is loaded once."""


class Executor(Protocol):
    """The interface of executors; each call returns when all jobs are done and the workers have ended.

    ``generate`` is called for one entrant after another, so that a method is closed before the next one loads, and no method shares a GPU
    with the metrics' networks; ``score`` is called last.

    Raises (both):
        OSError: the run's disk is full or unwritable; the workers were stopped.
        KeyboardInterrupt: the user interrupted the run; the workers were stopped.
    """

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Generate an entrant's predictions."""

    def score(self, context: WorkerContext, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Score stored predictions, and build those that need no method."""


class InlineExecutor:
    """Runs every job in this process, in order."""

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Generate an entrant's predictions."""
        generator = Generator(context, entrant)
        try:
            self._run("generate", generator, jobs, progress)
        finally:
            generator.close()

    def score(self, context: WorkerContext, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Score stored predictions, and build those that need no method."""
        scorer = Scorer(context)
        try:
            self._run("score", scorer, jobs, progress)
        finally:
            scorer.close()

    def _run(self, stage: Stage, runner: Generator | Scorer, jobs: Sequence[Job], progress: RunProgress) -> None:
        def run_unit(unit: Unit, entry: ClipEntry, on_step: MessageHandler) -> UnitReport:
            with handle_messages(on_step):
                return runner.run(unit, entry)

        for entry, units in jobs:
            for unit in units:
                progress.run_unit(stage, unit, partial(run_unit, unit, entry))


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs in ``workers`` processes of this machine, each on one clip at a time.

    A unit that takes over ``timeout`` seconds, or whose process dies, fails; a new process takes the next unit.  What the processes print goes to the
    run's folder logs/; ``on_line`` is called with each line, after a label such as "METHOD CLIP" or "scoring METHOD CLIP".
    """

    workers: int
    timeout: float | None = None
    on_line: OnLine | None = None

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Generate an entrant's predictions."""
        self._run_jobs((context, entrant), jobs, progress)

    def score(self, context: WorkerContext, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Score stored predictions, and build those that need no method."""
        self._run_jobs((context, None), jobs, progress)

    def _run_jobs(
        self, arguments: tuple[WorkerContext, str | None], jobs: Sequence[Job], progress: RunProgress
    ) -> None:
        context, entrant = arguments
        stage: Stage = "score" if entrant is None else "generate"
        runner = _UnitRunner(stage, context, self.timeout)

        def run_job(worker: Worker, job: Job) -> None:
            entry, units = job
            for unit in units:
                progress.run_unit(stage, unit, partial(runner.run, worker, unit, entry))

        preloaded = entrant is None or is_built_in(context.entrants[entrant].spec.entry)
        pool = TaskPool(self.workers, start_worker, arguments, partial(OutputLog, self.on_line), preloaded)
        pool.run(jobs, run_job, last=close_worker)


class _UnitRunner:
    """Runs units in workers' processes, with a log of what each prints; a process that dies or takes too long fails its unit."""

    def __init__(self, stage: Stage, context: WorkerContext, timeout: float | None) -> None:
        self._stage = stage
        self._context = context
        self._timeout = timeout
        self._load_timeout = None if timeout is None else LOAD_TIMEOUT_FACTOR * timeout
        self._load_outputs: dict[int, str] = {}
        self._load_failure: tuple[str, Path, str] | None = None

    def run(self, worker: Worker, unit: Unit, entry: ClipEntry, on_step: MessageHandler) -> UnitReport:
        """Run a unit in a worker's process; ``on_step`` is called with a text at each step."""
        output, out = worker.output, self._context.out
        assert output is not None  # LocalExecutor makes it
        common_log = self._common_log(worker, unit)
        step: str = self._stage
        limit = self._load_timeout
        log = common_log
        label = f"{unit.entrant} {unit.clip}"
        output.switch(log, unit.entrant if self._stage == "generate" else f"scoring {label}")
        try:
            if self._stage == "generate":
                if self._load_failure is not None:  # the next process would fail in the same way
                    return self._fail(unit, step, *self._load_failure, load_failed=True)
                worker.call(load_method, timeout=limit, on_message=on_step, keeps_processes=True)
                self._load_outputs[worker.number] = output.tail() or self._load_outputs.get(worker.number, "")
                log = unit.log_file(out)
                log.unlink(missing_ok=True)
                output.switch(log, label)
            if limit is not None:  # the time for loading the clip does not count
                step = "load"
                worker.call(load_clip, entry, timeout=limit, on_message=on_step)
            step, limit = self._stage, self._timeout
            report = worker.call(run_unit, unit, entry, timeout=limit, on_message=on_step)
        except (WorkerCrash, TimeoutError) as error:
            timed_out = isinstance(error, TimeoutError) and limit is not None
            reason = f"no result within {limit:g} s (--unit-timeout)" if timed_out else str(error)
            load_failed = self._stage == "generate" and log == common_log
            if load_failed:
                self._load_failure = reason, log, output.tail()
            return self._fail(unit, step, reason, log, output.tail(), load_failed=load_failed)
        if report.failure is not None:
            text = output.tail()
            if not text and log != common_log:
                log, text = common_log, self._load_outputs[worker.number]
            if text:
                add_output(out, unit, log, text)
        return report

    def _common_log(self, worker: Worker, unit: Unit) -> Path:
        """Return the log of loading the method, or of scoring, by this worker."""
        shard = self._context.config.shard
        number = [shard.replace("/", "of")] if shard else []
        number += [str(worker.number)] if worker.number else []
        name = "-".join(["load" if self._stage == "generate" else "scoring", *number])
        folder = self._context.out / "logs"
        return (folder / unit.entrant if self._stage == "generate" else folder) / f"{name}.log"

    def _fail(self, unit: Unit, step: str, reason: str, log: Path, output: str, *, load_failed: bool) -> UnitReport:
        record_failure(self._context.out, unit, step, reason)
        if output:
            add_output(self._context.out, unit, log, output)
        return UnitReport(unit, self._stage, True, f"{step}: {reason}", load_failed=load_failed)


def choose_executor(plan: Plan, jobs: int, *, runs_methods: bool = False, on_line: OnLine | None = None) -> Executor:
    """Choose the executor for a number of jobs; methods run in processes, since they may die or change the working folder.

    ``on_line`` gets the lines that worker processes print.
    """
    config = plan.config
    workers = count_workers(config, plan.device, jobs)
    needs_processes = runs_methods or workers > 1 or config.unit_timeout is not None
    if config.executor == "inline" or not needs_processes:
        return InlineExecutor()
    return LocalExecutor(workers, config.unit_timeout, on_line)


def count_workers(config: RunConfig, device: str, jobs: int) -> int:
    """Return how many workers run a number of jobs at once on a device."""
    return 1 if config.executor == "inline" else min(config.workers or _default_workers(device), max(jobs, 1))


def _default_workers(device: str) -> int:
    if device == "cuda":
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
