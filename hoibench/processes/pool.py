"""Worker processes that take jobs from one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from hoibench.processes.job_threads import JobThreads
from hoibench.processes.output_log import OutputLog
from hoibench.processes.preloading import single_threaded_children
from hoibench.processes.worker import Worker, WorkerCrash

J = TypeVar("J")
R = TypeVar("R")

_POLL_SECONDS = 0.2


@dataclass(frozen=True)
class TaskPool:
    """Worker processes that take jobs from one queue; each has one BLAS and one OpenMP thread, since they share the cores.

        pool = TaskPool(2, start_worker, (folder,))
        for path, result in pool.results(count_frames, paths):
            ...  # in the order of completion; result is a WorkerCrash if the process died

    Attributes:
        count: the number of processes.
        initializer: a module-level function that initializes each process.
        arguments: arguments of ``initializer``.
        make_output: makes the ``output`` of each worker; None leaves their output on the terminal.
        preloaded: True to fork the processes from that of ``start_preloading``, if it was called.
        variables: returns further environment variables for the process with a number, from 0.
    """

    count: int
    initializer: Callable[..., None]
    arguments: tuple[Any, ...] = ()
    make_output: Callable[[], OutputLog] | None = None
    preloaded: bool = False
    variables: Callable[[int], Mapping[str, str]] = lambda number: {}

    def run(
        self, jobs: Iterable[J], run_job: Callable[[Worker, J], None], last: Callable[[], None] | None = None
    ) -> None:
        """Run every job with one of the workers.

        Args:
            jobs: the jobs, in order.
            run_job: called in a thread of this process; calls the worker as often as the job needs.  A worker runs one job at a time.
            last: called in each process at the end.

        Raises:
            Exception: the first exception of ``run_job``; the other workers were stopped.
            KeyboardInterrupt: the user interrupted; the workers were stopped.
        """
        with self._threads(jobs, run_job, last) as threads:
            threads.join()

    def results(
        self, function: Callable[[J], R], jobs: Iterable[J], group: Callable[[J], Hashable] | None = None
    ) -> Generator[tuple[J, R | WorkerCrash]]:
        """Yield each job with its result, in the order of completion; the result is a ``WorkerCrash`` if the process died.

        Args:
            function: computes a job's result.
            jobs: the jobs.
            group: returns a job's group; one worker runs all jobs of a group, one after the other, so that they can share what they read.

        Raises:
            Exception: from ``function``, after all results that were complete by then.
        """
        results: queue.SimpleQueue[tuple[J, R | WorkerCrash]] = queue.SimpleQueue()

        def run_jobs(worker: Worker, jobs: list[J]) -> None:
            for job in jobs:
                try:
                    results.put((job, worker.call(function, job)))
                except WorkerCrash as crash:
                    results.put((job, crash))

        groups: dict[Hashable, list[J]] = {}
        for number, job in enumerate(jobs):
            groups.setdefault(number if group is None else group(job), []).append(job)
        with self._threads(groups.values(), run_jobs, None) as threads:
            while threads.are_alive or not results.empty():
                try:
                    yield results.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
            threads.join()

    @contextmanager
    def _threads(
        self, jobs: Iterable[J], run_job: Callable[[Worker, J], None], last: Callable[[], None] | None
    ) -> Iterator[JobThreads[Worker, J]]:
        with (
            single_threaded_children(),
            JobThreads(self.count, jobs, partial(self._open_worker, last), run_job) as threads,
        ):
            yield threads

    @contextmanager
    def _open_worker(self, last: Callable[[], None] | None, number: int, stopped: threading.Event) -> Iterator[Worker]:
        output = None if self.make_output is None else self.make_output()
        variables = self.variables(number)
        worker = Worker(self.initializer, self.arguments, stopped, output, number, self.preloaded, variables)
        try:
            yield worker
        finally:
            worker.close(last)
            if output is not None:
                output.close()
