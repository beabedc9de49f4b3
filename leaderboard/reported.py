"""Numbers that papers print: data files, read once, shown as printed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

SCHEMA = "hoibench/reported@1"
_NUMBER = re.compile(r"\d+(\.\d+)?")


@dataclass(frozen=True)
class ReportedRow:
    """One printed line: facts and values are the paper's own strings, a missing value empty."""

    method: str
    facts: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True)
class ReportedTable:
    """One printed table; ``groups`` are (title, columns) in column order."""

    number: int
    title: str
    note: str
    facts: tuple[str, ...]
    columns: tuple[str, ...]
    groups: tuple[tuple[str, int], ...]
    rows: tuple[ReportedRow, ...]


@dataclass(frozen=True)
class Paper:
    """A paper's tables with their source."""

    title: str
    citation: str
    url: str
    note: str
    tables: tuple[ReportedTable, ...]


def read_papers() -> tuple[Paper, ...]:
    """Every paper under leaderboard/reported, by file name.

    Raises:
        ValueError: a file is of another schema, or a row does not fit its table; names file and row.
    """
    folder = Path(__file__).parent / "reported"
    found = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return tuple(parse_paper(item.name, tomllib.loads(item.read_text(encoding="utf-8"))) for item in found)


def parse_paper(where: str, table: dict[str, Any]) -> Paper:
    """A paper from its TOML table; raises as ``read_papers``."""
    if table.get("schema") != SCHEMA:
        raise ValueError(f"{where}: schema is {table.get('schema')!r}, expected {SCHEMA!r}")
    tables = tuple(_table(f"{where}: table {entry['number']}", entry) for entry in table["table"])
    return Paper(table["title"], table["citation"], table["url"], table["note"], tables)


def _table(where: str, entry: dict[str, Any]) -> ReportedTable:
    rows = tuple(ReportedRow(row["method"], tuple(row["facts"]), tuple(row["values"])) for row in entry["rows"])
    for row in rows:
        if len(row.facts) != len(entry["facts"]) or len(row.values) != len(entry["columns"]):
            raise ValueError(
                f"{where}: row {row.method!r} has {len(row.facts)} facts and {len(row.values)} values, its table's head has others"
            )
        if odd := [value for value in row.values if value and not _NUMBER.fullmatch(value)]:
            raise ValueError(
                f"{where}: row {row.method!r} holds {odd[0]!r}, expected a number as printed, or an empty text"
            )
    groups = tuple((group, len(list(run))) for group, run in groupby(column["group"] for column in entry["columns"]))
    return ReportedTable(
        number=entry["number"],
        title=entry["title"],
        note=entry["note"],
        facts=tuple(entry["facts"]),
        columns=tuple(column["title"] for column in entry["columns"]),
        groups=groups,
        rows=rows,
    )
