"""Score files: a prediction's result rows as JSON lines, one line per metric, appended during a run and readable after a kill at any moment.

A line is complete once its newline is written. Text after the last newline is a partial write: readers ignore it, and the next append removes it.
The scorer flushes a file to disk when all its metrics are done: a killed process loses no line, a power cut at most the unit in progress.
"""

from __future__ import annotations

import json
import logging
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
