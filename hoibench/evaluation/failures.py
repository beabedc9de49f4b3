"""Failures: which errors stop a run, and how the failure of one unit is recorded in the run folder."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from hoibench.errors import DISK_FULL
from hoibench.evaluation.unit import Unit
from hoibench.metrics.measurement import Status
from hoibench.plugins import locate
from hoibench.results.run_record import Failure
from hoibench.store.records import Record

log = logging.getLogger(__name__)

FAILURE_FILE = "failure.json"
MAX_REASON_LENGTH = 1000
"""Characters of a reason; the log has the full text."""


class FailureRecord(Record):
    """The contents of failure.json: the unit, the stage at which it failed, the reason and the traceback.

    ``source_failed``: see ``UnitReport``; ``log`` and ``output``: see ``Failure``.
    """

    SCHEMA: ClassVar[str] = "hoibench/failure@2"

    unit: str
    stage: str
    reason: str
    traceback: str = ""
    source_failed: bool = False
    log: str | None = None
    output: str = ""


def is_fatal(error: BaseException) -> bool:
    """Return True if an error stops the whole run: the disk is full or cannot be written, or the user interrupted the run.

    A KeyboardInterrupt in a worker's process, which ignores Ctrl-C, was raised by a method.
    """
    if isinstance(error, KeyboardInterrupt):
        return multiprocessing.parent_process() is None
    return isinstance(error, OSError) and error.errno in (*DISK_FULL, errno.EROFS)


def format_reason(error: BaseException) -> str:
    """Return an error in one line: its message, after its type where the message alone says little."""
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be formatted"
    text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    text = text if len(text) <= MAX_REASON_LENGTH else f"{text[:MAX_REASON_LENGTH]} ..."
    plain = isinstance(error, (ValueError, FileNotFoundError)) and len(text) > 20
    return text if plain else f"{type(error).__name__}: {text}".rstrip(": ")


def record_failure(
    out: Path, unit: Unit, stage: str, reason: str, trace: str = "", *, source_failed: bool = False
) -> str:
    """Write failure.json into the folder of a unit's prediction, and return ``STAGE: REASON``; a resumed run tries the unit again."""
    failure = FailureRecord(unit=unit.key, stage=stage, reason=reason, traceback=trace, source_failed=source_failed)
    failure.write(unit.prediction_folder(out) / FAILURE_FILE)
    return f"{stage}: {reason}"


def record_exception(
    out: Path,
    unit: Unit,
    stage: str,
    error: BaseException,
    *,
    source: Path | None = None,
    source_failed: bool = False,
) -> str:
    """Log an exception, record it as the unit's failure, and return ``STAGE: REASON``.

    The reason ends with the place in the method's own code, if ``source`` is its file and the exception comes from there.

    Raises:
        OSError, KeyboardInterrupt: the error is fatal (see ``is_fatal``).
    """
    if is_fatal(error):
        raise error
    log.error("%s failed at %s", unit.key, stage, exc_info=error)
    reason = format_reason(error)
    if source is not None and (place := locate(error, source)):
        reason = f"{reason} ({place})"
    return record_failure(out, unit, stage, reason, traceback.format_exc(), source_failed=source_failed)


def add_output(out: Path, unit: Unit, log: Path, output: str) -> None:
    """Add the log of a unit's process and the last lines of its output to the unit's failure.json."""
    path = unit.prediction_folder(out) / FAILURE_FILE
    failure = FailureRecord.read(path)
    failure.model_copy(update={"log": log.relative_to(out).as_posix(), "output": output}).write(path)


def read_failure(out: Path, unit: Unit) -> FailureRecord | None:
    """Read a unit's failure.json; None if it has none.

    Raises:
        ValueError: the file is damaged; the message names it and the fix.
    """
    path = unit.prediction_folder(out) / FAILURE_FILE
    try:
        return FailureRecord.read(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{error}; delete the file and resume the run") from error


def read_failures(out: Path, units: Iterable[Unit]) -> list[Failure]:
    """Read the failures of units, except those caused by the failure of another unit."""
    found = (read_failure(out, unit) for unit in units)
    return [
        Failure(unit=f.unit, stage=f.stage, reason=f.reason, log=f.log, output=f.output)
        for f in found
        if f is not None and not f.source_failed
    ]


def status_of_stage(failure: str) -> Status:
    """Return the status of rows with the failure ``STAGE: REASON``.

    ``error`` is a fault of the data set (``load``), the scorer (``score``) or the run (``stop``), and ``failed`` one of the method.
    """
    return "error" if failure.partition(":")[0] in ("load", "score", "stop") else "failed"
