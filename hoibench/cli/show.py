"""``hoibench show``: the tables of runs (boards) on the terminal, their most notable clips, and the numbers of single cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich import box
from rich.table import Table
from rich.text import Text

from hoibench.arguments import parse
from hoibench.cli.output import TextConsole
from hoibench.text import count

if TYPE_CHECKING:
    from hoibench.exclusions import ExclusionList
    from hoibench.results.board import Board
    from hoibench.results.cells import Cell
    from hoibench.results.notable_clips import NotableClip


METRIC_WIDTH, METHOD_WIDTH = 40, 24
"""Characters of a table's first column and of each method; methods that do not fit the terminal's width get a table of their own."""


@dataclass(frozen=True)
class Show:
    """Show the boards of one run or of several together: the table, the worst clips of each ranked metric and the largest disagreements.

    hoibench show RUN --method METHOD --metrics METRIC prints the unrounded numbers of a cell, and its scores on all clips, worst first.
    """

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders."""

    region: str = "full"
    """full (with the metrics that only fg has) or fg."""

    secondary: bool = False
    """Also show secondary metrics, which are never ranked."""

    paper: bool = False
    """Show the literal reading of the paper's tables, unranked."""

    method: tuple[str, ...] = field(default=(), metadata={"metavar": "METHOD"})
    """The METHOD or METHOD+PRESET of cells; with --metrics."""

    metrics: tuple[str, ...] = field(default=(), metadata={"metavar": "ID"})
    """Only these metrics, by id, with or without version."""

    exclude: Path | None = field(default=None, metadata={"metavar": "FILE"})
    """Show each board twice: with all clips, and without those that this file lists (see hoibench data doctor --suspects)."""

    clips: int = 3
    """Number of clips in each list."""


def show_command(arguments: Sequence[str]) -> int:
    """Print a table for each board, with metrics as rows and methods as columns, or the numbers of one cell; return the exit code."""
    options = parse(Show, arguments, "hoibench show")
    _check_options(options)
    from hoibench.exclusions import read_exclusions
    from hoibench.metric_card import all_cards
    from hoibench.results.board import build_boards, build_paper_boards
    from hoibench.results.run_folder import read_run

    console = TextConsole()
    if not console.is_terminal:
        console = TextConsole(width=240)
    runs = [read_run(folder) for folder in options.runs]
    build = build_paper_boards if options.paper else build_boards
    boards = build(runs, all_cards())
    remarks: list[str] = []
    if options.exclude is not None:
        exclusions = read_exclusions(options.exclude)
        remarks = [
            _emptied_text(board, exclusions) for board in boards if {c.id for c in board.clips} <= exclusions.ids
        ]
        boards += build(runs, all_cards(), exclusions)
    if options.method:
        lines = [line for board in boards for line in _cell_lines(board, options)]
        if not lines:
            raise ValueError(
                f"no row {', '.join(options.method)} with a column {', '.join(options.metrics)} in region {options.region}: see hoibench show RUN"
            )
        for line in [*lines, *remarks]:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return 0
    if not any(_columns(board, options) for board in boards):
        regions = ", ".join(dict.fromkeys(region for board in boards for region in board.regions)) or "none"
        ids = ", ".join(dict.fromkeys(column.card.id for board in boards for column in board.columns)) or "none"
        raise ValueError(
            f"no column{' ' if options.metrics else ''}{', '.join(options.metrics)} in region {options.region} (regions: {regions}; metrics: {ids})"
        )
    for board in boards:
        _print_board(console, board, options)
    for remark in remarks:
        console.print(remark, style="dim", markup=False, highlight=False)
    return 0


def _check_options(options: Show) -> None:
    if not options.runs:
        raise ValueError("no run given: give the folder of a run (see hoibench ls runs)")
    if options.clips < 0:
        raise ValueError(f"--clips {options.clips}: give the number of clips in each list, 0 or more")
    if options.method and not options.metrics:
        raise ValueError(
            f"--method {','.join(options.method)} needs --metrics: give a metric id (see hoibench ls metrics)"
        )


def _print_board(console: TextConsole, board: Board, options: Show) -> None:
    if board.warning:
        console.print(board.warning, markup=False, highlight=False)
    step = max(1, (console.width - METRIC_WIDTH) // METHOD_WIDTH)
    for first in range(0, len(board.rows), step):
        console.print(_table(board, options, range(len(board.rows))[first : first + step]), highlight=False)
    console.print(
        "* best, or not separable from the best; + primary metric, the others are exploratory", highlight=False
    )
    if precomputed := [row.method.key for row in board.rows if row.method.precomputed]:
        console.print(f"precomputed, i.e. not made by the run: {', '.join(precomputed)}", highlight=False)
    for line in _notable_lines(board, options):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for note in board.notes:
        console.print(note, style="dim", markup=False, highlight=False)


def _emptied_text(board: Board, exclusions: ExclusionList) -> str:
    """Return a sentence on a board of which a list excludes all clips."""
    return f"{exclusions.name} excludes {count(len(board.clips), 'clip')} of {board.split}, all of the table: there is none without them."


def _table(board: Board, options: Show, rows: Sequence[int]) -> Table:
    """Return the table of some of the board's rows, as its columns."""
    from hoibench.results.cell_text import column_decimals

    title = f"{board.split} ({board.kind}), {board.extent}, region {options.region}"
    table = Table(title=Text(title), box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric", overflow="fold")
    for i in rows:
        table.add_column(Text(board.rows[i].method.key), justify="right", overflow="fold")
    for j in _columns(board, options):
        card, region = board.columns[j].card, board.columns[j].region
        decimals = column_decimals(board, j)
        cells = [_text(board.cells[i, j], decimals) for i in rows]
        name = f"{card.id}{'+' if card.primary else ''}{'' if region == options.region else f', {region}'}"
        table.add_row(f"{name} ({card.unit})" if card.unit else name, *cells)
    return table


def _columns(board: Board, options: Show) -> list[int]:
    """Return the indices of the columns to show."""
    return [
        j
        for j in board.columns_in(options.region)
        if (card := board.columns[j].card)
        and (card.ranked or options.secondary or board.is_paper or options.metrics)
        and (not options.metrics or {card.id, card.id.partition("@")[0]} & set(options.metrics))
    ]


def _text(cell: Cell, decimals: int) -> str:
    from hoibench.results.cell_text import failure_text, format_number

    failures = failure_text(cell)
    if cell.value is None:
        return failures or cell.status.replace("_", " ")
    mark = "*" if cell.standing.in_leading_group else ""
    grey = " greyed" if cell.grey else ""
    interval = cell.value_interval
    spread = (
        f" [{format_number(interval.low, decimals)}, {format_number(interval.high, decimals)}]".replace("[", "\\[")
        if interval
        else ""
    )
    count = f" {cell.answered}/{cell.n_expected}" if cell.answered + cell.failed != cell.n_expected else ""
    return f"{failures}{': ' if failures else ''}{format_number(cell.value, decimals)}{mark}{spread}{count}{grey}"


def _notable_lines(board: Board, options: Show) -> Iterable[str]:
    from hoibench.results.notable_clips import method_disagreements, seed_disagreements, worst_clips

    for j in _columns(board, options):
        if not board.columns[j].card.is_ranked:
            continue
        lists = (
            ("worst clips", worst_clips(board, j, options.clips)),
            ("largest differences between methods", method_disagreements(board, j, options.clips)),
            ("largest deviations between seeds", seed_disagreements(board, j, options.clips)),
        )
        if any(clips for _, clips in lists):
            yield f"{board.columns[j].card.id}"
        for title, clips in lists:
            if clips:
                yield f"  {title}: {'; '.join(map(_notable_text, clips))}"


def _notable_text(notable: NotableClip) -> str:
    if len(notable.rows) == 2:
        values = " / ".join(f"{value:.4g}" for value in notable.values)
    else:
        values = " ± ".join(f"{value:.4g}" for value in notable.values) or "failed"
    return f"{notable.clip} {' / '.join(notable.rows)} {values}"


def _cell_lines(board: Board, options: Show) -> Iterable[str]:
    """Yield the numbers of the cells of one method and metric, the command that scores them again, and the scores of each clip, worst first."""
    from hoibench.results.cell_details import cell_details

    for j in _columns(board, options):
        for m, row in enumerate(board.rows):
            if not {row.method.key, row.label} & set(options.method):
                continue
            cell, column, scores = board.cells[m, j], board.columns[j], board.scores[j]
            yield f"{row.label}, {column.card.id}, {column.region}, {board.split}, {board.extent}"
            if cell.value is None:
                yield f"  {cell.status.replace('_', ' ')}: {cell.reason}"
            for name, text in cell_details(cell, column):
                yield f"  {name}: {text}"
            if cell.grey:
                yield f"  greyed: {cell.grey}"
            yield f"  scored again from the stored predictions by: hoibench score {row.run.folder}"
            key = scores.cost[m] if scores.has_cost[m].any() else scores.value[m]
            for c in sorted(scores.seeds[m].nonzero()[0].tolist(), key=lambda c: -key[c]):
                parts = [f"{scores.failed_seeds[m, c]} of {count(scores.seeds[m, c], 'seed')} failed"]
                if scores.has_own_value[m, c]:
                    parts = [f"{scores.value[m, c]:.6g}", *(parts if scores.failed_seeds[m, c] else [])]
                elif scores.is_answered[m] and scores.has_value[m, c]:
                    parts.append(f"the mean has {scores.value[m, c]:.6g} for it")
                yield f"  {board.clips[c].id}  {', '.join(parts)}"
