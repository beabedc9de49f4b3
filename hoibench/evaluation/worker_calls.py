"""The calls that run in a worker's process, which has one generator or one scorer."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hoibench.clip_entry import ClipEntry
from hoibench.evaluation.failures import is_fatal
from hoibench.evaluation.generator import Generator
from hoibench.evaluation.scorer import Scorer
from hoibench.evaluation.unit import Unit, UnitReport
from hoibench.evaluation.worker import WorkerContext

log = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(process)d %(name)s: %(message)s"

_runner: Generator | Scorer | None = None
"""In a worker process: its generator or scorer."""


def start_worker(context: WorkerContext, entrant: str | None) -> None:
    """Make the generator of an entrant, or without one the scorer."""
    global _runner
    import cv2

    cv2.setNumThreads(1)  # the workers share the cores
    log_to_file(context.out / "log.txt")
    _runner = Scorer(context) if entrant is None else Generator(context, entrant)
    log.info("start of a process for %s: processor %.2f s", entrant or "scoring", time.process_time())


def load_clip(entry: ClipEntry) -> None:
    """Load a clip before its first unit is timed."""
    assert _runner is not None
    with _log_load_errors(f"clip {entry.id}"):
        _runner.load_clip(entry)


def load_method() -> None:
    """Load the method, unless this process is a scorer's."""
    if isinstance(_runner, Generator):
        with _log_load_errors(f"method {_runner.entrant.key}"):
            _runner.load_method()


@contextmanager
def _log_load_errors(subject: str) -> Iterator[None]:
    """Log a loading error that is not fatal; the unit will fail with the same error and record it."""
    try:
        yield
    except BaseException as error:
        if is_fatal(error):
            raise
        log.exception("%s cannot be loaded", subject)


def run_unit(unit: Unit, entry: ClipEntry) -> UnitReport:
    """Generate a unit's prediction, or score it."""
    assert _runner is not None
    return _runner.run(unit, entry)


def close_worker() -> None:
    """Close the method, or the scorer."""
    if _runner is not None:
        _runner.close()


def log_to_file(path: Path) -> logging.Handler:
    """Append this process's log to a file, which processes share: each line is written at once."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    return handler
