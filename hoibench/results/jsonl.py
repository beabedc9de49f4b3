"""Score files: rows appended while a run is going, one line a metric, safe against a kill at any moment.

A line counts once its newline is on disk.  What follows the last newline is what a kill left behind: readers drop it, the next append removes it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import ValidationError, model_validator

from hoibench.results.rows import Row
from hoibench.store import sync, write_bytes
from hoibench.store.records import Record, explain

logger = logging.getLogger(__name__)


def append_metric(path: Path, metric: str, rows: Iterable[Row]) -> None:
    """Append one metric's rows as one line, on disk when this returns.

    Raises:
        ValueError: a row belongs to another metric.
        OSError: the file cannot be written, or the disk is full; the lines before this one stay readable.
    """
    line = _line(metric, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("ab+") as stream:
        _drop_torn_tail(path, stream)
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())
    if fresh:
        sync(path.parent)


def read_scores(path: Path) -> dict[str, list[Row]]:
    """Rows by metric, in file order; a metric written twice has its last rows.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a whole line is not a metric's rows; names file and line.
    """
    *lines, tail = path.read_bytes().split(b"\n")
    if tail:
        logger.warning("%s: dropped a torn last line of %d bytes; its metric will be scored again", path, len(tail))
    scores: dict[str, list[Row]] = {}
    for number, line in enumerate(lines, start=1):
        try:
            found = _Line.model_validate_json(line)
        except ValidationError as error:
            raise ValueError(
                f"{explain(error, _Line, f'{path}:{number}')}; delete the file to score the clip again"
            ) from error
        scores[found.metric] = list(found.rows)
    return scores


def write_scores(path: Path, scores: Mapping[str, Sequence[Row]]) -> None:
    """Rewrite a whole score file atomically, one line a metric in the given order.

    Raises:
        ValueError: as ``append_metric``.
    """
    write_bytes(path, b"".join(_line(metric, rows) for metric, rows in scores.items()))


class _Line(Record):
    """One metric's rows."""

    metric: str
    rows: tuple[Row, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        strange = [row.metric for row in self.rows if row.metric != self.metric]
        if strange:
            raise ValueError(f"a row of {strange[0]!r} stands under metric {self.metric!r}")
        return self


def _line(metric: str, rows: Iterable[Row]) -> bytes:
    return (json.dumps(_Line(metric=metric, rows=tuple(rows)).to_json(), ensure_ascii=False) + "\n").encode()


def _drop_torn_tail(path: Path, stream: BinaryIO) -> None:
    """Cut what follows the last newline, so that the next line does not grow onto it."""
    stream.seek(0)
    content = stream.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        logger.warning("%s: removed a torn last line of %d bytes", path, len(content) - whole)
        stream.truncate(whole)
