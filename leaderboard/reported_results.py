"""Values printed in papers, from the TOML files under leaderboard/reported."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from hoibench.store.records import Record, read_toml

_NUMBER = re.compile(r"\d+(\.\d+)?")


class ReportedRow(Record):
    """A row of a table; attributes and values are the paper's strings, empty if missing."""

    method: str
    attributes: tuple[str, ...]
    values: tuple[str, ...]


class ReportedColumn(Record):
    """A column's title, and the title of its group of neighbouring columns."""

    title: str
    group: str


class ReportedTable(Record):
    """A table of a paper; ``attributes`` are the titles of the columns before the values."""

    number: int
    title: str
    note: str
    attributes: tuple[str, ...]
    columns: tuple[ReportedColumn, ...]
    rows: tuple[ReportedRow, ...]

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Titles of the groups of columns with their number of columns, in order."""
        return tuple((group, len(list(members))) for group, members in groupby(column.group for column in self.columns))

    @model_validator(mode="after")
    def _check_rows(self) -> Self:
        for row in self.rows:
            if (len(row.attributes), len(row.values)) != (len(self.attributes), len(self.columns)):
                raise ValueError(
                    f"row {row.method!r} has {len(row.attributes)} attributes and {len(row.values)} values, the head of table {self.number} "
                    f"has {len(self.attributes)} and {len(self.columns)}"
                )
            if invalid := [value for value in row.values if value and not _NUMBER.fullmatch(value)]:
                raise ValueError(
                    f"row {row.method!r} of table {self.number} has value {invalid[0]!r}, expected a number or an empty string"
                )
        return self


class Paper(Record):
    """The contents of a file under leaderboard/reported: a paper's tables with their source."""

    version: Literal["hoibench/reported@2"] = Field(alias="schema")
    title: str
    citation: str
    url: str
    note: str
    tables: tuple[ReportedTable, ...] = Field(alias="table")


def read_papers() -> tuple[Paper, ...]:
    """Read all papers under leaderboard/reported, sorted by file name.

    Raises:
        ValueError: a file has another schema, or a row does not match its table; names file and row.
    """
    folder = Path(__file__).parent / "reported"
    return tuple(read_toml(Paper, path) for path in sorted(folder.glob("*.toml")))
