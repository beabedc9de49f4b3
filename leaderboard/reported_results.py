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
    """A row of a paper's table: a method, its attributes (e.g. its family) and its values, as printed; a missing one is an empty string."""

    method: str
    attributes: tuple[str, ...]
    values: tuple[str, ...]


class ReportedColumn(Record):
    """A column of a paper's table: its title, and the title of its group of neighbouring columns."""

    title: str
    group: str


class ReportedTable(Record):
    """A table of a paper; ``attributes`` are the titles of the columns with the rows' attributes, which come before the values."""

    number: int
    title: str
    note: str
    attributes: tuple[str, ...]
    columns: tuple[ReportedColumn, ...]
    rows: tuple[ReportedRow, ...]

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """(title, number of columns) of each group of neighbouring columns, in order."""
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
    """A paper's tables with their source: the contents of a TOML file under leaderboard/reported."""

    version: Literal["hoibench/reported@2"] = Field(alias="schema")
    title: str
    citation: str
    url: str
    note: str
    tables: tuple[ReportedTable, ...] = Field(alias="table")


def read_papers() -> tuple[Paper, ...]:
    """Read the tables of all papers under leaderboard/reported, sorted by file name.

    Raises:
        ValueError: a file has another schema, or a row does not match its table; the message names file and row.
    """
    folder = Path(__file__).parent / "reported"
    return tuple(read_toml(Paper, path) for path in sorted(folder.glob("*.toml")))
