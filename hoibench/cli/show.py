"""``hoibench show``: the tables of runs (boards) on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from hoibench.results.board import Board
    from hoibench.results.cells import Cell


@dataclass(frozen=True)
class Show:
    """Show the boards of one run or of several together."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""

    region: str = "full"
    """full or fg."""

    secondary: bool = False
    """Also show secondary metrics, which are never ranked."""


def show_command(arguments: Sequence[str]) -> int:
    """Print a table for each board, with metrics as rows and methods as columns; return the exit code."""
    options = tyro.cli(Show, args=list(arguments), prog="hoibench show")
    if not options.runs:
        raise ValueError("no run given: give the folder of a run (see hoibench ls runs)")
    from hoibench.metric_card import all_cards
    from hoibench.results.board import build_boards
    from hoibench.results.run_folder import read_run

    console = Console(emoji=False)
    if not console.is_terminal:
        console = Console(width=240, emoji=False)
    for board in build_boards([read_run(folder) for folder in options.runs], all_cards()):
        console.print(_table(board, options.region, options.secondary), highlight=False)
        for note in board.notes:
            console.print(note, style="dim", markup=False, highlight=False)
    return 0


def _table(board: Board, region: str, secondary: bool) -> Table:
    title = f"{board.split} ({board.kind}), {len(board.clips)} clips, region {region}"
    table = Table(
        title=title, box=box.SIMPLE_HEAD, pad_edge=False, caption="* best, or not significantly worse than the best"
    )
    table.add_column("metric")
    for row in board.rows:
        table.add_column(row.method.key, justify="right", overflow="fold")
    for j, column in enumerate(board.columns):
        card = column.card
        if column.region == region and (card.ranked or secondary):
            cells = [_text(board.cells[i, j]) for i in range(len(board.rows))]
            table.add_row(f"{card.id} ({card.unit})" if card.unit else card.id, *cells)
    return table


def _text(cell: Cell) -> str:
    if cell.value is None:
        return cell.status.replace("_", " ")
    mark = "*" if cell.standing.in_leading_group else ""
    spread = f" [{cell.interval.low:.2g}, {cell.interval.high:.2g}]".replace("[", "\\[") if cell.interval else ""
    count = f" {cell.n_scored}/{cell.n_expected}" if cell.n_scored != cell.n_expected else ""
    return f"{cell.value:.4g}{mark}{spread}{count}"
