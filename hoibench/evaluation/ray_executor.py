"""The executor that runs units on the nodes of a Ray cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import ray

from hoibench.evaluation.ray_actor import UnitActor
from hoibench.evaluation.ray_cluster import current_setup, resources
from hoibench.evaluation.ray_slot import ActorSlot
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.unit import Stage
from hoibench.evaluation.worker import WorkerContext
from hoibench.processes import OnLine
from hoibench.processes.job_threads import JobThreads

if TYPE_CHECKING:
    from hoibench.evaluation.executor import Job


@dataclass(frozen=True)
class RayExecutor:
    """Runs jobs with ``workers`` actors on the nodes of the Ray cluster that the process is connected to.

    An actor has one unit at a time, so that nothing queues in the cluster.  A unit whose node is lost runs on another one; one that has killed
    ``ray_slot.MAX_ACTOR_DEATHS`` actors fails.  All else is as in a local run, since each actor has one of its worker processes.
    """

    workers: int
    scorer_gpus: float
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
        options = resources(context.device, self.scorer_gpus, scores=entrant is None)
        remote: Any = ray.remote
        make_actor = remote(max_restarts=0, max_task_retries=0, **options)(UnitActor).remote
        setup = current_setup()

        @contextmanager
        def open_slot(number: int, stopped: threading.Event) -> Iterator[ActorSlot]:
            arguments = (setup, context, entrant, self.timeout, number, self.on_line is not None)
            slot = ActorSlot(
                stage, partial(make_actor, *arguments), options, context, self.timeout, stopped, self.on_line
            )
            try:
                yield slot
            finally:
                slot.close()

        def run_job(slot: ActorSlot, job: Job) -> None:
            entry, units = job
            for unit in units:
                slot.start(partial(progress.begin, stage, unit))
                progress.run_unit(stage, unit, partial(slot.run, unit, entry))

        with JobThreads(self.workers, jobs, open_slot, run_job) as threads:
            threads.join()
