"""``hoibench compare``: paired differences of methods with intervals and corrected p-values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich import box
from rich.table import Table
from rich.text import Text

from hoibench.arguments import parse
from hoibench.cli.output import TextConsole, check_writable
from hoibench.text import count, printable

if TYPE_CHECKING:
    import pandas as pd

    from hoibench.results.board import Board

_LEAST_WIDTH = 60
"""Columns of a terminal from which on there is a table."""


@dataclass(frozen=True)
class Compare:
    """Compare methods of one run or of several, pair by pair, on the clips that both have."""

    names: tyro.conf.Positional[tuple[str, ...]]
    """Run folders (all their methods but the reference rows), or RUN:METHOD for one method or reference row."""

    metrics: tuple[str, ...] = field(default=(), metadata={"metavar": "ID"})
    """Only these metrics, by id, with or without version; without it all ranked ones."""

    region: str = "full"
    """full (with the metrics that only fg has) or fg."""

    csv: Path | None = None
    """Also write the numbers to this CSV file."""

    latex: Path | None = None
    """Also write the table to this LaTeX file (needs the package booktabs)."""

    markdown: Path | None = None
    """Also write the table to this Markdown file."""


def compare_command(arguments: Sequence[str]) -> int:
    """Print a table of all pairs on all metrics, write it to the given files; return the exit code."""
    options = parse(Compare, arguments, "hoibench compare")
    from hoibench.results.comparison import compare_methods, find_rows, ranked_columns
    from hoibench.results.table_text import csv_table, latex_table, markdown_table

    for flag, path in (("--csv", options.csv), ("--latex", options.latex), ("--markdown", options.markdown)):
        if path is not None:
            check_writable(flag, path)
            path.parent.mkdir(parents=True, exist_ok=True)
    board = read_board(options.names, "compare")
    columns = ranked_columns(board, options.metrics, options.region)
    found = compare_methods(board, find_rows(board, options.names), columns)
    table, notes = _as_text(found)
    print_table(f"{board.split} ({board.kind}), region {options.region}", table)
    for line in (*_caption(board, found), *notes):
        print(printable(line))
    if options.csv:
        options.csv.write_text(csv_table(found), encoding="utf-8", newline="")
    if options.latex:
        options.latex.write_text(latex_table(table), encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(markdown_table(table.to_dict("records")) + "\n", encoding="utf-8")
    return 0


def read_board(names: Sequence[str], command: str) -> Board:
    """Return the one board that has the runs of ``RUN`` or ``RUN:METHOD`` names.

    Raises:
        ValueError: no name is given, or the runs have no clips in common.
    """
    from hoibench.metric_card import all_cards
    from hoibench.results.board import build_boards
    from hoibench.results.comparison import split_name
    from hoibench.results.run_folder import read_run

    folders = list(dict.fromkeys(split_name(name)[0] for name in names))
    if not folders:
        raise ValueError(f"no run given: hoibench {command} RUN, or RUN:METHOD RUN:METHOD (see hoibench ls runs)")
    boards = build_boards([read_run(folder) for folder in folders], all_cards())
    if len(boards) > 1:
        splits = "; ".join(
            f"{', '.join(run.record.name for run in b.runs)}: {b.split}, split {b.split_id}" for b in boards
        )
        raise ValueError(f"the runs share no clips and cannot be compared ({splits}); name runs of the same split")
    return boards[0]


def print_table(title: str, rows: pd.DataFrame) -> None:
    """Print a table of texts on the terminal; on a narrow one, each row as lines ``NAME: TEXT``."""
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows.columns:
        table.add_column(name, overflow="fold")
    for row in rows.itertuples(index=False):
        table.add_row(*map(Text, row))
    console = TextConsole()
    if not console.is_terminal:
        console = TextConsole(width=240)
    if console.width >= _LEAST_WIDTH:
        console.print(table, highlight=False)
        return
    console.print(Text(title, "italic"))
    for cells in rows.to_dict("records"):
        console.print(Text("\n".join(f"{name}: {text}" for name, text in cells.items())), end="\n\n")


def few_clusters_note(board: Board) -> str:
    """Return a sentence on the number of clips and clusters, which says if these are too few for more than a demonstration."""
    from hoibench.results.board import DEMONSTRATION

    text = f"{count(len(board.clips), 'clip')} in {count(board.clusters, 'cluster')} (a cluster is a pair of objects)."
    return f"{DEMONSTRATION[0].upper()}{DEMONSTRATION[1:]}. {text}" if board.is_demonstration else text


def _as_text(found: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of texts, and its numbered notes."""
    import pandas as pd

    notes = list(dict.fromkeys(note for note in found["note"] if note))
    lines = []
    for row in found.to_dict("records"):
        mark = f" ({notes.index(row['note']) + 1})" if row["note"] else ""
        unit = row["unit"] if row["quantity"] == "value" else row["quantity"]
        lines.append(
            {
                "metric": row["metric"] + (f" ({unit})" if unit else "") + (", primary" if row["primary"] else ""),
                **{
                    place: _label(row[place], row[f"failures_{place}"], row[f"mean_{place}"])
                    for place in ("first", "second")
                },
                "first - second": f"{_number(row['difference'])} [{_number(row['low'])}, {_number(row['high'])}]",
                "p": "-" if math.isnan(row["separable"]) else f"{row['p']:.4f}",
                "separable from": _number(row["separable"]),
                "better": (row["better"] or ("not separated" if row["clips"] else "no shared clips")) + mark,
                "clips/clusters": f"{row['clips']}/{row['clusters']}",
            }
        )
    return pd.DataFrame(lines), [f"({n}) Not ranked against each other: {note}." for n, note in enumerate(notes, 1)]


def _caption(board: Board, found: pd.DataFrame) -> list[str]:
    pairs = len(found[["first", "second"]].drop_duplicates())
    corrected = f"the {pairs} pairs of a metric" if pairs > 1 else "this pair only"
    return [
        few_clusters_note(board),
        "Brackets: 95 % interval of this difference alone (CR2, Bell-McCaffrey). "
        f"p: wild cluster bootstrap-t, corrected for {corrected}; the page corrects for all pairs of a class.",
        "The test alone decides what is separated, and can differ from the interval. No p: the pair differs in too few clusters to be separated.",
    ]


def _label(method: str, failures: str, mean: float) -> str:
    return f"{method}{f' ({failures})' if failures else ''} {_number(mean)}"


def _number(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.4g}"
