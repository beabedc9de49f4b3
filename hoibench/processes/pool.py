"""Worker processes that take jobs from one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from hoibench.processes.output_log import OutputLog
from hoibench.processes.preloading import single_threaded_children
from hoibench.processes.worker import PoolStopped, Worker, WorkerCrash

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
    """

    count: int
    initializer: Callable[..., None]
    arguments: tuple[Any, ...] = ()
    make_output: Callable[[], OutputLog] | None = None
    preloaded: bool = False

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

    def results(self, function: Callable[[J], R], jobs: Iterable[J]) -> Generator[tuple[J, R | WorkerCrash]]:
        """Yield each job with its result, in the order of completion; the result is a ``WorkerCrash`` if the process died.

        Raises:
            Exception: from ``function``, after all results that were complete by then.
        """
        results: queue.SimpleQueue[tuple[J, R | WorkerCrash]] = queue.SimpleQueue()

        def run_job(worker: Worker, job: J) -> None:
            try:
                results.put((job, worker.call(function, job)))
            except WorkerCrash as crash:
                results.put((job, crash))

        with self._threads(jobs, run_job, None) as threads:
            while threads.are_alive or not results.empty():
                try:
                    yield results.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
            threads.join()

    @contextmanager
    def _threads(
        self, jobs: Iterable[J], run_job: Callable[[Worker, J], None], last: Callable[[], None] | None
    ) -> Iterator[_Threads[J]]:
        waiting: queue.SimpleQueue[J] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        threads = _Threads(self, waiting, run_job, last)
        with single_threaded_children():
            try:
                threads.start()
                yield threads
            finally:
                threads.stop()


class _Threads(Generic[J]):
    """The threads of a pool, each with one worker."""

    def __init__(
        self,
        pool: TaskPool,
        waiting: queue.SimpleQueue[J],
        run_job: Callable[[Worker, J], None],
        last: Callable[[], None] | None,
    ) -> None:
        self._pool, self._waiting, self._run_job, self._last = pool, waiting, run_job, last
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        count = max(1, min(pool.count, waiting.qsize()))
        self._threads = [
            threading.Thread(target=self._work, args=(i,), name=f"worker-{i}", daemon=True) for i in range(count)
        ]

    @property
    def are_alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for all jobs, then raise the first error, if any."""
        for thread in self._threads:
            while thread.is_alive():  # join() without a timeout blocks Ctrl-C on some platforms
                thread.join(timeout=_POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Stop threads that still run: after an error, Ctrl-C, or when the consumer stops early."""
        if self.are_alive:
            self._stopped.set()
            for thread in self._threads:
                thread.join(timeout=10)

    def _work(self, number: int) -> None:
        pool = self._pool
        output = None if pool.make_output is None else pool.make_output()
        worker = Worker(pool.initializer, pool.arguments, self._stopped, output, number, pool.preloaded)
        try:
            while not self._stopped.is_set():
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._run_job(worker, job)
        except PoolStopped:
            pass
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._stopped.set()
        finally:
            worker.close(self._last)
            if output is not None:
                output.close()
