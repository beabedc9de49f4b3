"""A board as files for other programs: all cells as CSV, JSON and Parquet, and a table of texts as Markdown and LaTeX, each with its origin."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from hoibench.results.board import DEMONSTRATION, Board, Column
from hoibench.results.cell_details import show_command
from hoibench.results.cell_text import column_decimals, failure_text, format_number, with_region
from hoibench.results.table_text import csv_table, escape_markdown, latex_table, markdown_table
from hoibench.store import atomic_write, write_bytes

_NUMBERS = (
    "value", "low", "high", "over_answered", "over_answered_low", "over_answered_high", "factor_to_truth", "distance_to_truth"
)  # fmt: skip
SUFFIXES = (".csv", ".json", ".parquet", ".md", ".tex")


def write_exports(board: Board, folder: Path, name: str) -> list[Path]:
    """Write a board to ``NAME.csv``, ``.json``, ``.parquet``, ``.md`` and ``.tex`` in a folder, and return the five paths.

    The first three have ``cells_table``, with unrounded numbers; the last two have ``text_table``, with the caption.
    """
    cells, texts, origin = cells_table(board), text_table(board), caption(board)
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    records = [{key: None if pd.isna(cell) else cell for key, cell in row.items()} for row in cells.to_dict("records")]
    write_bytes(paths[0], csv_table(cells).encode())
    write_bytes(paths[1], json.dumps({"caption": origin, "cells": records}, indent=1, allow_nan=False).encode())
    table = pa.Table.from_pandas(cells, preserve_index=False)
    with atomic_write(paths[2]) as temporary:
        pq.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), "caption": origin}), temporary)
    markdown = f"{escape_markdown(origin)}\n\n{markdown_table(texts.to_dict('records'))}\n"
    write_bytes(paths[3], markdown.encode())
    write_bytes(paths[4], latex_table(texts, origin).encode())
    return paths


def cells_table(board: Board) -> pd.DataFrame:
    """Return one line for each cell of a board, with unrounded numbers.

    ``low`` and ``high`` are the ends of the 95 % interval of ``value``; ``over_answered`` with its interval is the mean without failed seeds where
    these score the cap.  ``mark`` is ``leader``, ``tied`` (not separated from the leader) or empty, and ``command`` prints the cell's numbers.
    """
    origin = {
        "kind": board.kind,
        "dataset": board.dataset,
        "split": board.split,
        "split_id": board.split_id,
        "clip_set_id": ", ".join(board.clip_set_ids),
        "commit": ", ".join(commits(board)),
    }
    lines = []
    for m, row in enumerate(board.rows):
        for n, column in enumerate(board.columns):
            cell, card = board.cells[m, n], column.card
            own, over_answered = cell.value_interval, cell.interval if cell.failed_seeds else None
            lines.append(
                {
                    **origin,
                    "run": row.run.record.name,
                    "method": row.method.key,
                    "name": row.label,
                    "role": row.role,
                    "metric": card.id,
                    "region": column.region,
                    "unit": card.unit,
                    "direction": card.direction,
                    "primary": card.primary,
                    "ranked": card.is_ranked,
                    "status": cell.status,
                    "reason": cell.reason,
                    "value": cell.value,
                    "low": own.low if own else None,
                    "high": own.high if own else None,
                    "clips": cell.answered,
                    "failed": cell.failed,
                    "expected": cell.n_expected,
                    "seeds": cell.seeds,
                    "over_answered": cell.value_over_answered,
                    "over_answered_low": over_answered.low if over_answered else None,
                    "over_answered_high": over_answered.high if over_answered else None,
                    "factor_to_truth": cell.ratio_factor,
                    "distance_to_truth": cell.truth_distance,
                    "mark": cell.standing.mark,
                    "not_ranked": cell.standing.unranked,
                    "greyed": cell.grey,
                    "command": show_command(board, row, column),
                }
            )
    table = pd.DataFrame(lines)
    return table.astype({name: "float64" for name in table if name in _NUMBERS})


def text_table(board: Board) -> pd.DataFrame:
    """Return a board as texts, one line for each row and one column for each ranked metric (on the board of the paper's columns, for each).

    A text is ``VALUE [LOW, HIGH]``, with the decimals of the leaderboard page, or the status of a cell without a value.  ``*`` marks the leader of
    a class and ``=`` the rows that are not separated from it.
    """
    shown = [n for n, column in enumerate(board.columns) if column.card.is_ranked or board.is_paper]
    titles = _titles(board, shown)
    decimals = [column_decimals(board, n) for n in shown]
    lines = [
        [row.label, *(_cell_text(board, m, n, digits) for n, digits in zip(shown, decimals, strict=True))]
        for m, row in enumerate(board.rows)
    ]
    return pd.DataFrame(lines, columns=["method", *titles])


def caption(board: Board) -> str:
    """Return a sentence that says which results a table has: split, clips and their id, and the commit of the code."""
    one = len(board.clip_set_ids) == 1
    warning = f" {DEMONSTRATION[0].upper()}{DEMONSTRATION[1:]}." if board.is_demonstration else ""
    return (
        f"{board.kind.capitalize()} results on {board.split} (split {board.split_id}): {board.extent}, "
        f"clip set{'' if one else 's'} {', '.join(board.clip_set_ids)}, commit {', '.join(commits(board)) or 'not known'}. "
        f"Brackets: 95 % intervals; * leads its class, = is not separated from the leader.{warning}"
    )


def commits(board: Board) -> tuple[str, ...]:
    """Return the commits of the code that made the runs of a board, each once, ``+changes`` behind one with uncommitted changes."""
    found = []
    for run in board.runs:
        git: Any = run.record.provenance.get("git")
        if isinstance(git, Mapping) and git.get("commit"):
            found.append(f"{git['commit']}{'+changes' if git.get('dirty') else ''}")
    return tuple(dict.fromkeys(found))


def _titles(board: Board, shown: Sequence[int]) -> list[str]:
    """Return the heads of some columns: title, region unless it is the board's first, and unit; the metric's id where titles are alike."""

    def head(name: str, column: Column) -> str:
        unit = f" ({column.card.unit})" if column.card.unit not in ("", "1") else ""
        return f"{with_region(name, column.region, board.regions[0])}{unit}"

    columns = [board.columns[n] for n in shown]
    titles = [head(column.card.title, column) for column in columns]
    return [
        title if titles.count(title) == 1 else head(column.card.id, column)
        for title, column in zip(titles, columns, strict=True)
    ]


def _cell_text(board: Board, m: int, n: int, decimals: int) -> str:
    cell = board.cells[m, n]
    if cell.value is None:
        return failure_text(cell) or cell.status.replace("_", " ")
    interval, failures = cell.value_interval, failure_text(cell)
    ends = f" [{', '.join(format_number(end, decimals) for end in (interval.low, interval.high))}]" if interval else ""
    mark = {"leader": "*", "tied": "="}.get(cell.standing.mark, "")
    return f"{format_number(cell.value, decimals)}{ends}{mark}{f' ({failures})' if failures else ''}{', greyed' if cell.grey else ''}"
