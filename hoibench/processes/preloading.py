"""A process that has imported slow libraries, from which worker processes are forked: they start in milliseconds instead of seconds.

It is multiprocessing's fork server.  It ends with this process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.context import BaseContext

MODULES_VARIABLE = "HOIBENCH_PRELOAD"
"""The environment variable that names the modules, for ``hoibench.processes.preloaded``."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

_has_started = False


def start_preloading(modules: Iterable[str]) -> None:
    """Start a process that imports modules, and return at once; afterwards, processes that may be preloaded are forked from it.

    Its numerical libraries have one thread.  A module that cannot be imported is left out, so that the process that needs it raises the error.  Only
    the first call has an effect, and only on Linux: elsewhere, forking is unsafe after some imports.

    Args:
        modules: modules whose import starts no thread, touches no GPU and leaves the process as it was.
    """
    global _has_started
    if _has_started or not sys.platform.startswith("linux"):
        return
    multiprocessing.set_forkserver_preload(["hoibench.processes.preloaded"])
    with single_threaded_children(), set_variables({MODULES_VARIABLE: ",".join(modules)}), no_interrupt():
        forkserver.ensure_running()
    _has_started = True


def process_context(*, preloaded: bool) -> BaseContext:
    """Return the context that starts a process: forked from the one that ``start_preloading`` has started, if any, or a new interpreter."""
    # Forking this process is not safe with threads of torch or of a decoder.
    return multiprocessing.get_context("forkserver" if preloaded and _has_started else "spawn")


@contextmanager
def single_threaded_children() -> Iterator[None]:
    """Give processes started inside the block one BLAS and one OpenMP thread; these libraries read the variables when they load."""
    with set_variables(dict.fromkeys(_THREAD_VARIABLES, "1")):
        yield


@contextmanager
def set_variables(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def no_interrupt() -> Iterator[None]:
    """Start processes with SIGINT blocked, until they ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
