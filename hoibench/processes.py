"""Worker processes: calls answered one at a time, crashes and timeouts told apart, and none outlives the process that started it."""

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
"""Time that the last call of a worker may take; then its process is ended."""

_POLL_SECONDS = 0.2
_MOST_STARTS = 4
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class WorkerCrash(RuntimeError):
    """A worker's process ended before it answered a call."""


class PoolStopped(RuntimeError):
    """The pool was stopped while a call was waiting for its answer."""


@dataclass
class Worker:
    """One process that answers calls one at a time; after a crash or a timeout the next call gets a fresh process.

    Attributes:
        start: called in the process first, a function of a module.
        arguments: of ``start``.
        stop: when set, calls in progress are given up.
    """

    start: Callable[..., None]
    arguments: tuple[Any, ...]
    stop: threading.Event

    def __post_init__(self) -> None:
        self._pool: Any = None

    def call(self, function: Callable[..., R], *arguments: Any, timeout: float | None = None) -> R:
        """The result of a function of a module, called in the process.

        Raises:
            WorkerCrash: the process ended before it answered.
            TimeoutError: there was no answer in ``timeout`` seconds; the process was ended.
            PoolStopped: the pool was stopped.
            Exception: what the function raised, or ``start`` before it.
        """
        for _ in range(_MOST_STARTS):
            future = self._open().schedule(_answer, args=(function, arguments), timeout=timeout)
            while not wait([future], timeout=_POLL_SECONDS).done:
                if self.stop.is_set():
                    raise PoolStopped
                if not self._pool.active:  # its process ended before it began
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
        times = f"{_MOST_STARTS} times"
        raise WorkerCrash(f"its process ended before it began, {times}: killed from outside, or out of memory")

    def close(self, last: Callable[[], None] | None = None) -> None:
        """End the process, after a last call if it was ever started and the pool was not stopped."""
        if self._pool is not None and last is not None and not self.stop.is_set():
            self._pool.schedule(_answer, args=(last, ()), timeout=CLOSE_SECONDS)
            self._pool.close()
            self._pool.join()
            self._pool = None
        self._end()

    def _open(self) -> Any:
        if self._pool is not None and not self._pool.active:  # its process died between two calls
            self._end()
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # fork is not safe beside threads of torch or of a decoder
            start = (self.start, self.arguments)
            self._pool = ProcessPool(max_workers=1, initializer=_begin, initargs=start, context=context)
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None


@dataclass(frozen=True)
class TaskPool:
    """Worker processes that take jobs from one queue; each has one BLAS and one OpenMP thread, since the workers share the cores.

        pool = TaskPool(2, start_worker, (folder,))
        for path, result in pool.results(count_frames, paths):
            ...  # in the order of completion; a WorkerCrash in place of a result

    Attributes:
        count: how many processes.
        start: called in each process first, a function of a module.
        arguments: of ``start``.
    """

    count: int
    start: Callable[..., None]
    arguments: tuple[Any, ...] = ()

    def run(self, jobs: Iterable[J], do: Callable[[Worker, J], None], last: Callable[[], None] | None = None) -> None:
        """Have ``do`` carry out every job, each with one worker, from a thread of this process.

        Args:
            jobs: taken in order.
            do: calls the worker as often as a job needs; jobs of one worker never overlap.
            last: called in each process at the end.

        Raises:
            Exception: the first one that ``do`` raised; the other workers were stopped.
            KeyboardInterrupt: likewise.
        """
        with self._threads(jobs, do, last) as threads:
            threads.join()

    def results(self, function: Callable[[J], R], jobs: Iterable[J]) -> Generator[tuple[J, R | WorkerCrash]]:
        """Each job with its result, in the order of completion; a job whose process died has a ``WorkerCrash`` instead.

        Raises:
            Exception: what ``function`` raised, after all results that were known by then.
        """
        known: queue.SimpleQueue[tuple[J, R | WorkerCrash]] = queue.SimpleQueue()

        def do(worker: Worker, job: J) -> None:
            try:
                known.put((job, worker.call(function, job)))
            except WorkerCrash as crash:
                known.put((job, crash))

        with self._threads(jobs, do, None) as threads:
            while threads.alive or not known.empty():
                try:
                    yield known.get(timeout=_POLL_SECONDS)
                except queue.Empty:
                    continue
            threads.join()

    @contextmanager
    def _threads(
        self, jobs: Iterable[J], do: Callable[[Worker, J], None], last: Callable[[], None] | None
    ) -> Iterator[_Threads[J]]:
        waiting: queue.SimpleQueue[J] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        threads = _Threads(self, waiting, do, last)
        with _single_threaded_children():
            try:
                threads.begin()
                yield threads
            finally:
                threads.end()


class _Threads(Generic[J]):
    """The threads of a pool, each with one worker."""

    def __init__(
        self,
        pool: TaskPool,
        waiting: queue.SimpleQueue[J],
        do: Callable[[Worker, J], None],
        last: Callable[[], None] | None,
    ) -> None:
        self._pool, self._waiting, self._do, self._last = pool, waiting, do, last
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._error: BaseException | None = None
        count = max(1, min(pool.count, waiting.qsize()))
        self._threads = [threading.Thread(target=self._work, name=f"worker-{i}", daemon=True) for i in range(count)]

    @property
    def alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def begin(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait for every job; raise the first error of one."""
        for thread in self._threads:
            while thread.is_alive():  # a join without timeout would not see Ctrl-C on every platform
                thread.join(timeout=_POLL_SECONDS)
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Stop what is left: after an error, Ctrl-C, or a consumer that had enough."""
        if self.alive:
            self._stop.set()
            for thread in self._threads:
                thread.join(timeout=10)

    def _work(self) -> None:
        worker = Worker(self._pool.start, self._pool.arguments, self._stop)
        try:
            while not self._stop.is_set():
                try:
                    job = self._waiting.get_nowait()
                except queue.Empty:
                    break
                self._do(worker, job)
        except PoolStopped:
            pass
        except BaseException as error:
            with self._lock:
                self._error = self._error or error
            self._stop.set()
        finally:
            worker.close(self._last)


@contextmanager
def _single_threaded_children() -> Iterator[None]:
    """Let processes that start meanwhile have one BLAS and one OpenMP thread; these libraries read it when they are loaded."""
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


def _begin(start: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Prepare a worker's process; an error of ``start`` is kept for the first call, since the pool would take it for a crash."""
    global _start_error
    die_with_parent()
    try:
        start(*arguments)
    except Exception as error:
        _start_error = error


def _answer(function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
    if _start_error is not None:
        raise _start_error
    return function(*arguments)


def die_with_parent() -> None:
    """End this process once its parent is gone, however it went, so that whoever resumes is alone with the files.

    Raises:
        RuntimeError: this process was not started by multiprocessing.
    """
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("only a process that multiprocessing started has a parent to die with")

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
