"""Lanes: clips are worked on side by side, each lane a process that can be killed; one clip stays in one lane, so its truth is loaded once."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

from hoibench.datasets.base import ClipEntry
from hoibench.evaluation.failures import is_fatal, record_failure
from hoibench.evaluation.plan import Unit
from hoibench.evaluation.unit import Bench, Setup, UnitReport
from hoibench.methods.predictions import is_whole
from hoibench.processes import die_with_parent

log = logging.getLogger(__name__)

LOADING = 10.0
"""Times the unit timeout that loading a clip and a method may take."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"
Work = tuple[ClipEntry, Sequence[Unit]]
OnReport = Callable[[UnitReport], None]


def run_here(setup: Setup, work: Sequence[Work], on_report: OnReport) -> None:
    """Do all work in this process, in order."""
    bench = Bench(setup)
    try:
        for entry, units in work:
            for unit in units:
                on_report(bench.run(unit, entry))
    finally:
        bench.close()


def run_lanes(setup: Setup, work: Sequence[Work], lanes: int, timeout: float | None, on_report: OnReport) -> None:
    """Do all work in ``lanes`` processes; ``on_report`` is called from lane threads, one at a time.

    A unit over ``timeout`` seconds, or whose process dies, is a failure; its lane goes on with a fresh process.

    Raises:
        OSError: the run's disk is full or unwritable; the lanes were stopped.
        KeyboardInterrupt: the user stopped the run; the lanes were stopped.
    """
    waiting: queue.SimpleQueue[Work] = queue.SimpleQueue()
    for item in work:
        waiting.put(item)
    shared = _Shared(setup, timeout, on_report, waiting)
    threads = [threading.Thread(target=_Lane(shared).run, name=f"lane-{i}", daemon=True) for i in range(lanes)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():  # a join without timeout would not see Ctrl-C on every platform
                thread.join(timeout=0.2)
    except BaseException:
        shared.stop.set()
        for thread in threads:
            thread.join(timeout=10)
        raise
    if shared.error is not None:
        raise shared.error


class _Shared:
    """What the lanes have in common: the queue, the stop sign, and the first fatal error."""

    def __init__(
        self, setup: Setup, timeout: float | None, on_report: OnReport, waiting: queue.SimpleQueue[Work]
    ) -> None:
        self.setup = setup
        self.timeout = timeout
        self.waiting = waiting
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self._on_report = on_report
        self._lock = threading.Lock()

    def report(self, report: UnitReport) -> None:
        with self._lock:
            self._on_report(report)

    def abort(self, error: BaseException) -> None:
        with self._lock:
            self.error = self.error or error
        self.stop.set()


@dataclass
class _Lane:
    """One thread with one worker process at a time."""

    shared: _Shared

    def run(self) -> None:
        setup = self.shared.setup
        context = multiprocessing.get_context("spawn")  # fork is not safe once torch has started its threads
        pool: Any = ProcessPool(max_workers=1, initializer=_start_worker, initargs=(setup,), context=context)
        try:
            while not self.shared.stop.is_set():
                try:
                    entry, units = self.shared.waiting.get_nowait()
                except queue.Empty:
                    break
                self._do(pool, entry, units)
        except BaseException as error:
            self.shared.abort(error)
        finally:
            if self.shared.stop.is_set():
                pool.stop()
            else:
                pool.schedule(_close)
                pool.close()
            pool.join()

    def _do(self, pool: Any, entry: ClipEntry, units: Sequence[Unit]) -> None:
        for unit in units:
            if (
                self.shared.timeout is not None
            ):  # a fresh process has clip and method to load, which is not the method's time
                slack = LOADING * self.shared.timeout
                self._finish(pool.schedule(_prepare, args=(entry, unit.method), timeout=slack))
            failure = self._finish(pool.schedule(_run_unit, args=(unit, entry), timeout=self.shared.timeout))
            if self.shared.stop.is_set():
                return
            if failure is not None:
                out = self.shared.setup.out
                stage = "score" if is_whole(unit.prediction(out)) else "run"
                record_failure(out, unit, stage, failure)
                self.shared.report(UnitReport(unit, 0.0, True, f"{stage}: {failure}"))

    def _finish(self, future: Any) -> str | None:
        """Wait for a task and report what it returns; the reason if it returns nothing."""
        while not wait([future], timeout=0.2).done:
            if self.shared.stop.is_set():
                return "stopped"
        error = future.exception()
        if error is None:
            if isinstance(report := future.result(), UnitReport):
                self.shared.report(report)
            return None
        if is_fatal(error):
            raise error
        if isinstance(error, TimeoutError):
            return f"gave no result in {self.shared.timeout:g} s (--unit-timeout)"
        if isinstance(error, ProcessExpired):
            return f"its process ended with code {error.exitcode}: killed from outside, or out of memory"
        return f"{type(error).__name__}: {error}"


_bench: Bench | None = None


def _start_worker(setup: Setup) -> None:
    global _bench
    import cv2
    import torch

    die_with_parent()
    log_to(setup.out / "log.txt")
    torch.set_num_threads(1)  # the lanes share the cores
    cv2.setNumThreads(1)
    _bench = Bench(setup)


def _prepare(entry: ClipEntry, method: str) -> None:
    assert _bench is not None
    try:
        _bench.prepare(entry)
        _bench.load_method(method)
    except (Exception, SystemExit) as error:  # the unit will fail with it, and say so
        if is_fatal(error):
            raise
        log.exception("clip %s or method %s cannot be loaded", entry.id, method)


def _close() -> None:
    assert _bench is not None
    _bench.close()


def _run_unit(unit: Unit, entry: ClipEntry) -> UnitReport:
    assert _bench is not None
    return _bench.run(unit, entry)


def log_to(path: Path) -> logging.Handler:
    """Send this process's log to a file, appending whole lines; processes share the file."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler
