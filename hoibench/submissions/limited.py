"""Calls in a process with limits on memory, processor time and files, for readers of bytes from strangers.

The limits bound what a file can cost.  They are no sandbox: the process has the rights of its user.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from hoibench.processes import OutputLog, Worker, WorkerCrash

R = TypeVar("R")

_MAX_CPUS = 4
_M_ARENA_MAX = -8  # <malloc.h>


class LimitExceeded(ValueError):
    """A call took more memory or time than allowed, or its process crashed."""


@dataclass(frozen=True)
class Limits:
    """Limits of one process.

    Attributes:
        memory_bytes: size of its address space.
        cpu_seconds: processor time of one call.
        seconds: time of one call by the clock.
        file_bytes: size of each file that it writes; 0 for one that only reads.
    """

    memory_bytes: int = 2 << 30
    cpu_seconds: int = 120
    seconds: float = 240.0
    file_bytes: int = 0


class LimitedProcess:
    """A process that calls module-level functions within limits; a call that ends it gives the next one a new process.

        with LimitedProcess() as process:
            arrays = process.call(read_npz_shapes, path)

    On systems other than Linux and macOS only the time by the clock is limited, and on macOS the memory is not.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._output = OutputLog()
        self._worker = Worker(_start, (self.limits,), threading.Event(), self._output)

    def call(self, function: Callable[..., R], *arguments: Any) -> R:
        """Return ``function(*arguments)``; both are sent to the process, and the result from there.

        Raises:
            LimitExceeded: a limit was exceeded, or the process crashed.
            Exception: from the function.
        """
        try:
            result: R = self._worker.call(_call, self.limits, function, arguments, timeout=self.limits.seconds)
        except MemoryError:
            self._worker.close()  # what is left of its memory is fragmented
            raise LimitExceeded(f"takes over {self.limits.memory_bytes >> 20} MiB of memory to read") from None
        except TimeoutError:
            raise LimitExceeded(f"takes over {self.limits.seconds:g} s to read") from None
        except WorkerCrash as crash:
            if "SIGXCPU" in str(crash):
                raise LimitExceeded(f"takes over {self.limits.cpu_seconds} s of processor time to read") from None
            raise LimitExceeded(f"ends the process that reads it ({crash})") from None
        return result

    def close(self) -> None:
        """End the process."""
        self._worker.close()
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def call_limited(function: Callable[..., R], *arguments: Any, limits: Limits | None = None) -> R:
    """Return ``function(*arguments)`` from a process of its own; raises the errors of ``LimitedProcess.call``."""
    with LimitedProcess(limits) as process:
        return process.call(function, *arguments)


def _start(limits: Limits) -> None:
    """Limit this process; few processors, since each thread of a decoder takes address space."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:_MAX_CPUS])
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)
    if sys.platform == "win32":
        return
    import resource

    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    with suppress(ValueError):  # macOS has no such limit
        _lower(resource.RLIMIT_AS, limits.memory_bytes)


def _call(limits: Limits, function: Callable[..., R], arguments: tuple[Any, ...]) -> R:
    """Call a function after limiting the processor time from now on."""
    if sys.platform != "win32":
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        soft = math.ceil(used.ru_utime + used.ru_stime) + limits.cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    return function(*arguments)


def _lower(limit: int, value: int) -> None:
    """Set both values of a limit, or leave a lower one."""
    import resource

    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
