"""Tables 3 and 4 measured, as texts: the check marks, values and differences, the paper's numbers, and whether its ordering is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from hoibench.results.board import Board
from hoibench.results.comparison import quantity
from hoibench.results.table_text import latex_table, markdown_table
from leaderboard.reported_results import ReportedTable, read_papers
from reference_model.ablations.comparison import (
    COLUMNS,
    FULL,
    Comparison,
    Entry,
    TableColumn,
    compare,
    find_column,
    find_rows,
    pairs_with_full,
    pairs_with_neighbours,
    paper_ordering,
    read_entry,
    rows_of_table,
)
from reference_model.ablations.notes import Entries, general_notes, row_notes, summarize
from reference_model.ablations.rows import MARKS, ROWS

Texts = dict[str, str]
"""A row of a table: its texts by title of the column."""

Compared = Mapping[TableColumn, Mapping[tuple[str, str], Comparison]]
"""The comparisons of pairs of rows in each column."""

PAPER = "SyncMV4D"
TABLES = (3, 4)
HIGHER_IS_BETTER = {"Mat. Pix.": True, "RPE": False}
"""Whether larger numbers are better, by title of the paper's column."""
MARK_TEXTS = {True: "✓", False: "–", None: "detached"}


@dataclass(frozen=True)
class AblationTable:
    """A table of the paper, measured.

    Attributes:
        number: its number in the paper.
        title: its title.
        measured: check marks and results, a line for each row.
        paper: the numbers that the paper prints, a line for each row of ``measured``; empty texts for a row that the paper lacks.
        differences: a line for each comparison with the full model, and whether the paper's ordering is confirmed.
    """

    number: int
    title: str
    measured: list[Texts]
    paper: list[Texts]
    differences: list[Texts]


@dataclass(frozen=True)
class AblationReport:
    """The tables with what they are measured on.

    Attributes:
        summary: the clips, trainings and seeds, as a sentence.
        tables: the paper's tables.
        neighbours: a line for each comparison of a row with its neighbour, from which it differs in one thing.
        notes: sentences on the size of differences, and on values that are not judged, missing or incomplete.
    """

    summary: str
    tables: list[AblationTable]
    neighbours: list[Texts]
    notes: list[str]


def build_report(board: Board, base: str) -> AblationReport:
    """Build the tables of a board with the rows of a base, such as ``micro``; its runs are the trainings.

    Raises:
        ValueError: the board has no row of the base.
    """
    indices = find_rows(board, base)
    if not indices:
        raise ValueError(f"{board.runs[0].folder} has no row of Tables 3 and 4 of {base}: evaluate them first")
    columns = {column: n for column in COLUMNS if (n := find_column(board, column)) is not None}
    entries = {name: {column: read_entry(board, m, n) for column, n in columns.items()} for name, m in indices.items()}
    to_full, to_neighbours = pairs_with_full(indices), pairs_with_neighbours(indices)
    pairs = list(dict.fromkeys([*to_full, *to_neighbours]))
    compared = {column: compare(board, indices, n, pairs) for column, n in columns.items()}
    tables = [_build_table(number, board, columns, entries, compared) for number in TABLES]
    neighbours = _difference_lines(board, columns, compared, to_neighbours)
    for line in neighbours:
        line["differs in"] = next(row.thing for row in ROWS.values() if row.title == line["row"])
    return AblationReport(
        summary=summarize(board, indices),
        tables=[table for table in tables if table.measured],
        neighbours=neighbours,
        notes=[*general_notes(board, columns, indices), *row_notes(columns, entries)],
    )


def markdown_report(report: AblationReport) -> str:
    """Return the tables in Markdown; columns with the paper's own numbers come last, and their titles say so."""
    parts = [report.summary]
    for table in report.tables:
        parts += [f"### Table {table.number}: {table.title}", markdown_table(_with_paper(table))]
        if table.differences:
            parts += ["Against the full model:", markdown_table(table.differences)]
    if report.neighbours:
        parts += ["### Each row against its neighbour", markdown_table(report.neighbours)]
    parts += ["\n".join(f"- {note}" for note in report.notes)] if report.notes else []
    return "\n\n".join(parts) + "\n"


def latex_report(report: AblationReport) -> str:
    """Return the tables in LaTeX, which needs the packages booktabs and amssymb; columns with the paper's own numbers come last."""
    parts = [f"% {report.summary}"]
    for table in report.tables:
        parts.append(_latex(_with_paper(table), f"Table {table.number} of SyncMV4D, measured: {table.title}"))
        if table.differences:
            parts.append(_latex(table.differences, f"Differences from the full model, Table {table.number}"))
    if report.neighbours:
        parts.append(_latex(report.neighbours, "Each row against its neighbour"))
    return "\n".join(parts)


def html_report(report: AblationReport) -> str:
    """Return the contents of a page of the site; the paper's own numbers stand beside the measured ones in a frame of their own."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(report=report)


def _build_table(
    number: int, board: Board, columns: Mapping[TableColumn, int], entries: Entries, compared: Compared
) -> AblationTable:
    reported = _reported(number)
    rows = rows_of_table(number, entries)
    measured = []
    for row in rows:
        line = {"row": row.title}
        line |= {mark: MARK_TEXTS[has] for mark, has in zip(MARKS, row.marks, strict=True)} if number == 3 else {}
        for column, n in columns.items():
            is_value = quantity(board.columns[n].card) == "value"  # else the difference is of another quantity
            line[column.title] = _entry_text(
                entries[row.name][column], compared[column].get((row.name, FULL)), with_difference=is_value
            )
        measured.append(line)
    return AblationTable(
        number=number,
        title=reported.title,
        measured=measured,
        paper=[_paper_texts(reported, row.paper.get(number, "")) for row in rows],
        differences=_difference_lines(board, columns, compared, [(row.name, FULL) for row in rows], reported),
    )


def _difference_lines(
    board: Board,
    columns: Mapping[TableColumn, int],
    compared: Compared,
    pairs: Sequence[tuple[str, str]],
    reported: ReportedTable | None = None,
) -> list[Texts]:
    """Return a line for each compared pair in each column: with the paper's ordering if its table is given, else with the other row."""
    lines = []
    for column, n in columns.items():
        for one, other in pairs:
            if (found := compared[column].get((one, other))) is None:
                continue
            kind = quantity(board.columns[n].card)
            line = {
                "row": ROWS[one].title,
                **({} if reported is not None else {"against": ROWS[other].title}),
                "column": column.title if kind == "value" else f"{column.title}: {kind}",
                "difference [95 %]": f"{_signed(found.difference)} {_interval(found)}",
                "each training": ", ".join(map(_signed, found.by_training)),
                "p": f"{found.p:.4f}",
                "row is": found.verdict,
                "clips that separate": _clips_text(found),
            }
            if reported is not None:
                line["the paper's ordering"] = _ordering(found, column, reported, one, other) or "none"
            lines.append(line)
    return lines


def _ordering(found: Comparison, column: TableColumn, reported: ReportedTable, one: str, other: str) -> str:
    numbers = [
        _paper_texts(reported, ROWS[name].paper.get(reported.number, "")).get(column.paper, "") for name in (one, other)
    ]
    if not all(numbers):
        return ""
    first, second = map(float, numbers)
    return paper_ordering(found, first, second, higher_is_better=HIGHER_IS_BETTER[column.paper])


def _reported(number: int) -> ReportedTable:
    """Return one of the paper's tables as printed."""
    (paper,) = (paper for paper in read_papers() if paper.title == PAPER)
    (table,) = (table for table in paper.tables if table.number == number)
    return table


def _paper_texts(reported: ReportedTable, name: str) -> Texts:
    """Return the paper's numbers of its row ``name`` as printed; empty texts if it has no such row or number."""
    values = next((row.values for row in reported.rows if row.method == name), ("",) * len(reported.columns))
    return {column.title: value for column, value in zip(reported.columns, values, strict=True)}


def _with_paper(table: AblationTable) -> list[Texts]:
    return [
        measured | {f"paper's {title}": text or "–" for title, text in paper.items()}
        for measured, paper in zip(table.measured, table.paper, strict=True)
    ]


def _latex(lines: list[Texts], caption: str) -> str:
    return latex_table(pd.DataFrame(lines), caption).replace("✓", r"$\checkmark$").replace("–", "--")


def _entry_text(entry: Entry, comparison: Comparison | None, *, with_difference: bool) -> str:
    if entry.value is None:
        return entry.status
    text = f"{entry.value:.4g}"
    if comparison is None:
        return f"{text} (not judged)" if entry.unjudged else text
    difference = f"{_signed(comparison.difference)} {_interval(comparison)}, " if with_difference else ""
    return f"{text} ({difference}{comparison.verdict})"


def _clips_text(found: Comparison) -> str:
    if len({difference > 0 for difference in found.by_training if difference}) > 1:
        return "trainings disagree"
    return "not estimated" if found.clips_needed is None else str(found.clips_needed)


def _interval(found: Comparison) -> str:
    return f"[{_signed(found.low)}, {_signed(found.high)}]"


def _signed(number: float) -> str:
    return "–" if number != number else f"{number:+.3g}" if number else "0"
