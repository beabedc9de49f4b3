"""Numbers that papers print: data files, read once, shown as printed."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hoibench.store.records import Record, read_toml

_NUMBER = re.compile(r"\d+(\.\d+)?")


class ReportedRow(Record):
    """One printed line: facts and values are the paper's own strings, a missing value empty."""

    method: str
    facts: tuple[str, ...]
    values: tuple[str, ...]


class ReportedColumn(Record):
    """A column's title, and the one that it shares with its neighbours."""

    title: str
    group: str


class ReportedTable(Record):
    """One printed table."""

    number: int
    title: str
    note: str
    facts: tuple[str, ...]
    columns: tuple[ReportedColumn, ...]
    rows: tuple[ReportedRow, ...]

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Titles that neighbouring columns share, with how many do, in column order."""
        return tuple((group, len(list(run))) for group, run in groupby(column.group for column in self.columns))

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        for row in self.rows:
            if (len(row.facts), len(row.values)) != (len(self.facts), len(self.columns)):
                raise ValueError(
                    f"row {row.method!r} has {len(row.facts)} facts and {len(row.values)} values, the head of table {self.number} has "
                    f"{len(self.facts)} and {len(self.columns)}"
                )
            if odd := [value for value in row.values if value and not _NUMBER.fullmatch(value)]:
                raise ValueError(
                    f"row {row.method!r} of table {self.number} holds {odd[0]!r}, expected a number as printed, or an empty text"
                )
        return self


class Paper(Record):
    """A paper's tables with their source: the contents of a file under leaderboard/reported."""

    version: Literal["hoibench/reported@1"] = Field(alias="schema")
    title: str
    citation: str
    url: str
    note: str
    tables: tuple[ReportedTable, ...] = Field(alias="table")


def read_papers() -> tuple[Paper, ...]:
    """Every paper under leaderboard/reported, by file name.

    Raises:
        ValueError: a file is of another schema, or a row does not fit its table; names file and row.
    """
    folder = Path(__file__).parent / "reported"
    return tuple(read_toml(Paper, path) for path in sorted(folder.glob("*.toml")))
