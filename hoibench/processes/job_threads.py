"""Threads that take jobs from one queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Generic, TypeVar

from hoibench.processes.worker import PoolStopped

J = TypeVar("J")
W = TypeVar("W")

_POLL_SECONDS = 0.2


class JobThreads(Generic[W, J]):
    """Threads that take jobs from one queue, each with one worker; use as a context, which starts the threads and at its end stops them.

    Args:
        count: the greatest number of threads; there are no more than jobs.
        jobs: the jobs, in order.
        open_worker: called in each thread with its number, from 0, and an event that is set when the threads shall stop; the worker is closed
            at the end of the thread.
        run_job: called in the threads with a worker and a job.
    """

    def __init__(
        self,
        count: int,
        jobs: Iterable[J],
        open_worker: Callable[[int, threading.Event], AbstractContextManager[W]],
        run_job: Callable[[W, J], None],
    ) -> None:
        self._open_worker, self._run_job = open_worker, run_job
        self._waiting: queue.SimpleQueue[J] = queue.SimpleQueue()
        for job in jobs:
            self._waiting.put(job)
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        count = max(1, min(count, self._waiting.qsize()))
        self._threads = [
            threading.Thread(target=self._work, args=(i,), name=f"worker-{i}", daemon=True) for i in range(count)
        ]

    def __enter__(self) -> JobThreads[W, J]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop threads that still run: after an error, Ctrl-C, or when the consumer stops early."""
        if self.are_alive:
            self._stopped.set()
            for thread in self._threads:
                thread.join(timeout=10)

    @property
    def are_alive(self) -> bool:
        """True while a thread runs."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait for all jobs, then raise the first error, if any."""
        for thread in self._threads:
            while thread.is_alive():  # join() without a timeout blocks Ctrl-C on some platforms
                thread.join(timeout=_POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def _work(self, number: int) -> None:
        with (
            self._keep_error(),
            self._open_worker(number, self._stopped) as worker,
            self._keep_error(),  # before the worker is closed, so that the other threads stop
        ):
            while not self._stopped.is_set():
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._run_job(worker, job)

    @contextmanager
    def _keep_error(self) -> Iterator[None]:
        try:
            yield
        except PoolStopped:
            pass
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._stopped.set()
