"""Failures: which errors stop a run, and how those that do not are kept beside where the prediction would be."""

from __future__ import annotations

import errno
import logging
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from hoibench.errors import DISK_FULL
from hoibench.evaluation.unit import Unit
from hoibench.metrics.measurement import Status
from hoibench.results.run_record import Failure
from hoibench.store.records import Record

log = logging.getLogger(__name__)

FAILURE = "failure.json"
LONGEST = 1000
"""Characters of a reason; the whole text is in the log."""


class FailureRecord(Record):
    """The contents of failure.json: the unit, the stage at which it failed, why, and the traceback.

    ``follows`` says that it failed because the prediction that it is made from did, which counts once.
    """

    SCHEMA: ClassVar[str] = "hoibench/failure@1"

    unit: str
    stage: str
    reason: str
    traceback: str = ""
    follows: bool = False


def is_fatal(error: BaseException) -> bool:
    """Whether an error is the run's, not the unit's: a full or unwritable disk stops everything, and nothing is lost."""
    return isinstance(error, OSError) and error.errno in (*DISK_FULL, errno.EROFS)


def reason_of(error: BaseException) -> str:
    """The error in one line: its message, after its type where the message alone says little."""
    try:
        message = str(error)
    except Exception:
        message = "its message cannot be made"
    text = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    plain = isinstance(error, (ValueError, FileNotFoundError)) and len(text) > 20
    return text if plain else f"{type(error).__name__}: {text}".rstrip(": ")


def record_failure(out: Path, unit: Unit, stage: str, reason: str, trace: str = "", *, follows: bool = False) -> None:
    """Write a unit's failure beside where its prediction would be; a resumed run tries the unit again."""
    failure = FailureRecord(unit=unit.key, stage=stage, reason=reason, traceback=trace, follows=follows)
    failure.write(unit.prediction(out) / FAILURE)


def record_exception(out: Path, unit: Unit, stage: str, error: BaseException, *, follows: bool = False) -> str:
    """Log an exception that is being handled and record it as the unit's failure; ``STAGE: REASON``.

    Raises:
        OSError: the error is the run's, not the unit's (see ``is_fatal``).
    """
    if is_fatal(error):
        raise error
    log.error("%s failed at %s", unit.key, stage, exc_info=error)
    reason = reason_of(error)
    record_failure(out, unit, stage, reason, traceback.format_exc(), follows=follows)
    return f"{stage}: {reason}"


def read_failure(out: Path, unit: Unit) -> FailureRecord | None:
    """A unit's recorded failure, or None.

    Raises:
        ValueError: the record is broken; names the file and the fix.
    """
    path = unit.prediction(out) / FAILURE
    try:
        return FailureRecord.read(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{error}; delete the file and resume the run") from error


def status_of_stage(failure: str) -> Status:
    """Whose failure it is: ``failed`` is the method's; ``error`` that of data set (``load``), scorer (``score``) or run (``stop``)."""
    return "error" if failure.partition(":")[0] in ("load", "score", "stop") else "failed"


def failures_of(out: Path, units: Iterable[Unit]) -> list[Failure]:
    """The recorded failures of the units: unit, stage, reason; one that follows from another does not count again."""
    found = (read_failure(out, unit) for unit in units)
    return [Failure(unit=f.unit, stage=f.stage, reason=f.reason) for f in found if f is not None and not f.follows]
