"""Tasks side by side in processes of their own, each brought to an end whatever the processes do."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pebble import ProcessExpired, ProcessPool

Task = TypeVar("Task")
Answer = TypeVar("Answer")

_PATIENCE = 0.2  # seconds between looks at Ctrl-C and at the pool's health
_REOPENINGS = 3


@dataclass(frozen=True)
class Died:
    """What a task ends with whose process did not live to answer it."""

    reason: str


@dataclass(frozen=True)
class Workers(Generic[Task, Answer]):
    """Processes that answer tasks.

    Attributes:
        count: how many at once.
        answer: what each does with a task; a function of a module, as ``start`` is.
        start: called in each process first, with ``start_arguments``.
    """

    count: int
    answer: Callable[[Task], Answer]
    start: Callable[..., None]
    start_arguments: tuple[Any, ...]

    def answers(self, tasks: Sequence[Task]) -> Generator[tuple[Task, Answer | Died]]:
        """Each task with its answer, as they come.

        A process that dies takes its task with it.  Where one dies before it has a task, the processes are started anew, up to three times in a row
        without an answer in between.

        Raises:
            Exception: what ``answer`` raised, once all that is known by then was given.
        """
        left, fruitless = list(tasks), 0
        while left and fruitless <= _REOPENINGS:
            before = len(left)
            for task, answer in self._until_broken(left):
                left.remove(task)
                yield task, answer
            fruitless = fruitless + 1 if len(left) == before else 0
        for task in left:
            yield (
                task,
                Died(f"its process ended before it began, {fruitless} times: killed from outside, or out of memory"),
            )

    def _until_broken(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Answer | Died]]:
        """The tasks that are answered until a process dies without one."""
        with self._open() as pool:
            waiting = {pool.schedule(self.answer, args=(task,)): task for task in tasks}
            while waiting and pool.active:
                errors = []
                for future in wait(waiting, timeout=_PATIENCE, return_when=FIRST_COMPLETED).done:
                    task, error = waiting.pop(future), future.exception()
                    if error is None:
                        yield task, future.result()
                    elif isinstance(error, ProcessExpired):
                        reason = f"its process ended with code {error.exitcode}: killed from outside, or out of memory"
                        yield task, Died(reason)
                    else:
                        errors.append(error)
                for error in errors:
                    if not isinstance(error, BrokenProcessPool):
                        raise error

    @contextmanager
    def _open(self) -> Iterator[Any]:
        context = multiprocessing.get_context("spawn")  # fork is not safe beside the threads of a video decoder
        pool: Any = ProcessPool(self.count, initializer=self.start, initargs=self.start_arguments, context=context)
        try:
            yield pool
        finally:
            pool.stop()
            pool.join()
