"""Executors run generators and scorers; these share nothing but the run folder, so that each may be in another process or on another machine."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.generator import Generator
from hoibench.evaluation.gpus import gpu_variables, visible_gpus
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.scorer import Scorer
from hoibench.evaluation.unit import Stage, Unit, UnitReport
from hoibench.evaluation.unit_runner import UnitRunner
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import close_worker, start_worker
from hoibench.plugins import is_built_in
from hoibench.processes import MessageHandler, OnLine, OutputLog, TaskPool, Worker, handle_messages

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
    """Runs jobs in ``workers`` processes of this machine, each on one clip at a time; on several GPUs, each sees one of them, in turn.

    A unit that takes over ``timeout`` seconds, or whose process dies, fails; a new process takes the next unit.  What the processes print goes to the
    run's folder logs/; ``on_line`` is called with each line, after a label such as "METHOD CLIP" or "scoring METHOD CLIP".
    """

    workers: int
    timeout: float | None = None
    on_line: OnLine | None = None

    def generate(self, context: WorkerContext, entrant: str, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Generate an entrant's predictions."""
        self._run_jobs(context, entrant, jobs, progress)

    def score(self, context: WorkerContext, jobs: Sequence[Job], progress: RunProgress) -> None:
        """Score stored predictions, and build those that need no method."""
        self._run_jobs(context, None, jobs, progress)

    def _run_jobs(
        self, context: WorkerContext, entrant: str | None, jobs: Sequence[Job], progress: RunProgress
    ) -> None:
        stage: Stage = "score" if entrant is None else "generate"
        runner = UnitRunner(stage, context, self.timeout)

        def run_job(worker: Worker, job: Job) -> None:
            entry, units = job
            for unit in units:
                progress.run_unit(stage, unit, partial(runner.run, worker, unit, entry))

        preloaded = entrant is None or is_built_in(context.entrants[entrant].spec.entry)
        variables = partial(gpu_variables, context.device)
        arguments = context, entrant
        pool = TaskPool(self.workers, start_worker, arguments, partial(OutputLog, self.on_line), preloaded, variables)
        pool.run(jobs, run_job, last=close_worker)


def choose_executor(plan: Plan, jobs: int, *, runs_methods: bool = False, on_line: OnLine | None = None) -> Executor:
    """Choose the executor for a number of jobs; methods run in processes, since they may die or change the working folder.

    ``on_line`` gets the lines that worker processes print.
    """
    config = plan.config
    workers = count_workers(config, plan.device, jobs, scores=not runs_methods)
    if config.executor == "ray":
        from hoibench.evaluation.ray_executor import RayExecutor

        return RayExecutor(workers, config.scorer_gpus, config.unit_timeout, on_line)
    needs_processes = runs_methods or workers > 1 or config.unit_timeout is not None
    if config.executor == "inline" or not needs_processes:
        return InlineExecutor()
    return LocalExecutor(workers, config.unit_timeout, on_line)


@contextmanager
def connect_cluster(plan: Plan) -> Iterator[None]:
    """Connect the executor of a plan to its cluster, if it needs one, until the block ends.

    Raises:
        ProblemsFound: there is no cluster, or its nodes lack what the run needs.
    """
    if plan.config.executor != "ray":
        yield
        return
    from hoibench.evaluation.ray_cluster import connect

    with connect(plan):
        yield


def count_workers(config: RunConfig, device: str, jobs: int, *, scores: bool) -> int:
    """Return how many workers run a number of jobs at once on a device; ``scores`` is False for those that generate."""
    return 1 if config.executor == "inline" else min(_max_workers(config, device, scores=scores), max(jobs, 1))


def _max_workers(config: RunConfig, device: str, *, scores: bool) -> int:
    if config.workers is not None:
        return config.workers
    if config.executor == "ray":
        from hoibench.evaluation.ray_cluster import count_actors

        return count_actors(device, config.scorer_gpus, scores=scores)
    if device == "cuda":
        return max(1, len(visible_gpus()))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
