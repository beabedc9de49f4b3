"""Worker processes that run one call at a time, report crashes and timeouts, and end when the process that started them ends."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

J = TypeVar("J")
R = TypeVar("R")

CLOSE_SECONDS = 60.0
"""Time limit of a worker's last call; after that its process is ended."""

MessageHandler = Callable[[Any], None]
"""A function of this process that is called with each value that a worker sends."""

_POLL_SECONDS = 0.2
_MAX_STARTS = 4
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def send(value: object) -> None:
    """Send a value from a worker's call to the ``on_message`` of that call, which may miss it if the worker ends."""


class WorkerCrash(RuntimeError):
    """A worker's process ended during a call."""


class PoolStopped(RuntimeError):
    """The pool was stopped during a call."""


@dataclass
class Worker:
    """One process that runs calls one at a time; after a crash or a timeout the next call gets a new process.

    Attributes:
        initializer: a module-level function that initializes the process.
        arguments: arguments of ``initializer``.
        stop: set to abandon calls in progress.
    """

    initializer: Callable[..., None]
    arguments: tuple[Any, ...]
    stop: threading.Event

    def __post_init__(self) -> None:
        self._pool: Any = None

    def call(
        self,
        function: Callable[..., R],
        *arguments: Any,
        timeout: float | None = None,
        on_message: MessageHandler | None = None,
    ) -> R:
        """Call a module-level function in the process and return its result.

        Args:
            function: the function.
            arguments: its arguments.
            timeout: a time limit in seconds.
            on_message: called in this process, in the calling thread, with each value that the function gives to ``send``.

        Raises:
            WorkerCrash: the process ended during the call.
            TimeoutError: the call took over ``timeout`` seconds; the process was ended.
            PoolStopped: the pool was stopped.
            Exception: from the function, or from ``initializer``.
        """
        for _ in range(_MAX_STARTS):
            future = self._open().schedule(_call, args=(function, arguments), timeout=timeout)
            while not wait([future], timeout=_POLL_SECONDS).done:
                if self.stop.is_set():
                    raise PoolStopped
                if not self._pool.active:  # its process ended before the call
                    break
            else:
                error = future.exception()
                if isinstance(error, ProcessExpired):
                    reason = f"its process ended with code {error.exitcode}: killed from outside, or out of memory"
                    raise WorkerCrash(reason) from None
                if not isinstance(error, BrokenProcessPool):
                    result: R = future.result()
                    return result
            self._end()
        raise WorkerCrash(f"its process failed to start {_MAX_STARTS} times: killed from outside, or out of memory")

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End the process; if it was started and the pool was not stopped, make a last call first."""
        if self._pool is not None and last is not None and not self.stop.is_set():
            self._pool.schedule(_call, args=(last, ()), timeout=CLOSE_SECONDS)
            self._pool.close()
            self._pool.join()
            self._pool = None
        self._end()

    def _open(self) -> Any:
        if self._pool is not None and not self._pool.active:  # its process died between two calls
            self._end()
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # fork is not safe with threads of torch or of a decoder
            start = (self.initializer, self.arguments)
            self._pool = ProcessPool(max_workers=1, initializer=_initialize, initargs=start, context=context)
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None


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
    """

    count: int
    initializer: Callable[..., None]
    arguments: tuple[Any, ...] = ()

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
        with _single_threaded_children():
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
        self._threads = [threading.Thread(target=self._work, name=f"worker-{i}", daemon=True) for i in range(count)]

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

    def _work(self) -> None:
        worker = Worker(self._pool.initializer, self._pool.arguments, self._stopped)
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


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Give processes started inside the block one BLAS and one OpenMP thread; these libraries read the variables when they load."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_start_error: Exception | None = None


def _initialize(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Initialize a worker's process; an error of ``initializer`` is raised by the first call, since the pool would treat it as a crash."""
    global _start_error
    die_with_parent()
    try:
        start(*arguments)
    except Exception as error:
        _start_error = error


def _call(function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
    if _start_error is not None:
        raise _start_error
    return function(*arguments)


def die_with_parent() -> None:
    """End this process, which multiprocessing started, when its parent ends for any reason; a resumed run then has the files to itself."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def exit_after_parent() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=exit_after_parent, daemon=True).start()
