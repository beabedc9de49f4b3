"""Score files: a prediction's result rows as JSON lines, one line per metric, appended during a run and readable after a kill at any moment.

A line is complete once its newline is written. Text after the last newline is a partial write: readers ignore it, and the next append removes it.
The scorer flushes a file to disk when all its metrics are done: a killed process loses no line, a power cut at most the unit in progress.
The last line then lists these metrics, so that a resumed run need not read the rows of every file.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import ValidationError, model_validator

from hoibench.results.result_row import ResultRow
from hoibench.store.records import Record, explain

logger = logging.getLogger(__name__)


def append_metric(path: Path, metric: str, rows: Iterable[ResultRow]) -> None:
    """Append one metric's rows to a score file as one line.

    Raises:
        ValueError: a row belongs to another metric.
        OSError: the file cannot be written, or the disk is full; earlier lines stay readable.
    """
    line = _line(metric, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as stream:
        _remove_partial_line(path, stream)
        stream.write(line)


def append_finished(path: Path, metrics: Iterable[str]) -> None:
    """Append the list of all metrics of a run to a score file that has their rows, none of which is to be scored again."""
    with path.open("ab") as stream:
        line = _Finished(finished=tuple(metrics), bytes=stream.seek(0, os.SEEK_END))
        stream.write((json.dumps(line.to_json()) + "\n").encode())


def read_finished(path: Path) -> frozenset[str]:
    """Return the metrics in the last line of a score file if ``append_finished`` wrote it; none without such a line or a file.

    Only the end of the file is read; a file that has another size than it had then counts as one without the line.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        try:
            size = os.lseek(descriptor, 0, os.SEEK_END)
            os.lseek(descriptor, max(size - _TAIL_BYTES, 0), os.SEEK_SET)
            line = os.read(descriptor, _TAIL_BYTES).removesuffix(b"\n").rpartition(b"\n")[2]
        finally:
            os.close(descriptor)
        found = _Finished.model_validate_json(line)
    except (OSError, ValueError):
        return frozenset()
    return frozenset(found.finished if found.bytes + len(line) + 1 == size else ())


def read_scores(path: Path, unit: Mapping[str, object] | None = None) -> dict[str, list[ResultRow]]:
    """Read a score file: return each metric's rows by metric id, in file order; of several lines of a metric, the last one counts.

    Args:
        path: the file.
        unit: values that every row must have: method, preset, clip and seed of the prediction; None to accept all rows.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: a complete line is invalid, or has a row of another prediction; the message names file and line.
    """
    *lines, tail = path.read_bytes().split(b"\n")
    if tail:
        logger.warning("%s: ignored a partial last line of %d bytes; its metric will be scored again", path, len(tail))
    scores: dict[str, list[ResultRow]] = {}
    for number, line in enumerate(lines, start=1):
        if line.startswith(_FINISHED):
            continue
        try:
            parsed = _Line.model_validate_json(line)
        except ValidationError as error:
            raise ValueError(
                f"{explain(error, _Line, f'{path}:{number}')}; delete the file to score the clip again"
            ) from error
        for row, (field, expected) in product(parsed.rows, (unit or {}).items()):
            if (found := getattr(row, field)) != expected:
                raise ValueError(
                    f"{path}:{number}: a row has {field} {found!r}, expected {expected!r}; delete the file to score the clip again"
                )
        scores[parsed.metric] = list(parsed.rows)
    return scores


class _Finished(Record):
    """The contents of the last line of a complete file: the metrics that are done, and the size of the file before the line."""

    finished: tuple[str, ...]
    bytes: int


_FINISHED = b'{"finished":'
_TAIL_BYTES = 8 << 10
"""Largest length of the line of ``append_finished``."""


class _Line(Record):
    """The contents of one line: a metric's id and its rows."""

    metric: str
    rows: tuple[ResultRow, ...]

    @model_validator(mode="after")
    def _check(self) -> Self:
        other = [row.metric for row in self.rows if row.metric != self.metric]
        if other:
            raise ValueError(f"a row of {other[0]!r} is listed under metric {self.metric!r}")
        return self


def _line(metric: str, rows: Iterable[ResultRow]) -> bytes:
    return (json.dumps(_Line(metric=metric, rows=tuple(rows)).to_json(), ensure_ascii=False) + "\n").encode()


def _remove_partial_line(path: Path, stream: BinaryIO) -> None:
    """Truncate an open score file after its last newline."""
    stream.seek(0)
    content = stream.read()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        logger.warning("%s: removed a partial last line of %d bytes", path, len(content) - end)
        stream.truncate(end)
