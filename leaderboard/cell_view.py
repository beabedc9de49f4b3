"""Cells of a board in the form that the page's templates show: numbers formatted, reasons as numbered notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hoibench.results.board import Board
from hoibench.results.cell_details import cell_details, show_command
from hoibench.results.cell_text import failure_text, format_interval, format_number
from hoibench.results.cells import Cell
from hoibench.text import count
from leaderboard.bars import Bar, BarScale, draw_bar
from leaderboard.text import sanitize

STATUS_WORDS = {"not_applicable": "n/a"}


@dataclass
class Notes:
    """Numbered notes under a table, one for each distinct text."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> int:
        """Add a note unless there is one with this text, and return its number, counted from 1."""
        text = sanitize(text, 400)
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


@dataclass(frozen=True)
class CellView:
    """A table cell (a method on a metric) as text.

    Attributes:
        text: the value, or a word for the status.
        status: ``ok``, or the reason category why there is no value.
        failures: the number of failed clips, ``failed 0/6`` or ``2 of 6 failed``, shown before the value; empty without failures.
        interval: the confidence interval, or empty.
        count: the number of clips with a value of the total, e.g. ``9/10``.
        is_complete: true if all clips have a value.
        mark: ``leader`` for the best method of its class, ``tied`` for one that is not significantly worse, or empty.
        is_grey: true if the value says little.
        extras: lines under the value, e.g. the mean over answered clips.
        notes: numbers of the cell's notes under the table; a greyed value of a reference row has its reason in ``details`` only.
        bar: the bar of mean and interval of a method, or None.
        details: (name, text) of the numbers behind the value, see ``cell_details``; empty without a value.
        command: the command that prints these numbers.
        order: sort key, lower first, None last.
    """

    text: str
    status: str
    failures: str
    interval: str
    count: str
    is_complete: bool
    mark: str
    is_grey: bool
    extras: tuple[str, ...]
    notes: tuple[int, ...]
    bar: Bar | None
    details: tuple[tuple[str, str], ...]
    command: str
    order: float | None


def build_cell_view(
    board: Board, m: int, n: int, decimals: int, scale: BarScale | None, implied: Sequence[str | None], notes: Notes
) -> CellView:
    """Return the cell of row ``m`` and column ``n`` in the form that the page's templates show.

    Args:
        board: the board.
        m: the row's index.
        n: the column's index.
        decimals: the column's number of decimals.
        scale: the scale of the column's bars.
        implied: reasons not to rank a value that get no note.
        notes: the table's notes, to which the cell's are added.
    """
    cell, row, column = board.cells[m, n], board.rows[m], board.columns[n]
    status, interval, standing = sanitize(cell.status, 20), cell.value_interval, cell.standing
    note_texts, details = [], list(cell_details(cell, column))
    if cell.value is None:
        note_texts.append(f"{cell.status.replace('_', ' ').capitalize()}: {cell.reason}")
    elif standing.unranked and standing.unranked not in (*implied, cell.grey):
        note_texts.append(f"Not ranked: {standing.unranked}.")
    if cell.grey:
        details.append(("greyed", cell.grey))
        note_texts += [f"Greyed: {cell.grey}."] if row.role == "ranked" else []
    return CellView(
        text=STATUS_WORDS.get(cell.status, status) if cell.value is None else format_number(cell.value, decimals),
        status=status,
        failures=failure_text(cell),
        interval=format_interval(interval, decimals) if interval else "",
        count=f"{cell.answered}/{cell.n_expected}",
        is_complete=cell.answered == cell.n_expected,
        mark=standing.mark,
        is_grey=cell.grey is not None,
        extras=_extras(cell, decimals),
        notes=tuple(notes.add(text) for text in note_texts),
        bar=draw_bar(cell, scale) if row.role == "ranked" else None,
        details=tuple((name, sanitize(text, 200)) for name, text in details),
        command=sanitize(show_command(board, row, column), 600),
        order=cell.order,
    )


def _extras(cell: Cell, decimals: int) -> tuple[str, ...]:
    """Return the texts under a cell's value: failed seeds, ratio to the truth, incomplete coverage, the pairing's floor, how points were aligned."""
    lines = []
    if cell.failed_seeds and not cell.failed:
        lines.append(f"{count(cell.failed_seeds, 'seed')} failed")
    if cell.value_over_answered is not None:
        interval = f" ({format_interval(cell.interval, decimals)})" if cell.interval else ""
        lines.append(f"{format_number(cell.value_over_answered, decimals)}{interval} answered")
    if cell.ratio_factor is not None:
        lines.append(f"{cell.ratio_factor:.2f}× off")
    if cell.truth_distance is not None:
        lines.append(f"{format_number(cell.truth_distance, decimals)} off")
    if cell.conditions.coverage is not None and cell.conditions.coverage < 0.9995:
        lines.append(f"covers {100 * cell.conditions.coverage:.1f} %")
    if cell.pairing_floor is not None:
        lines.append(f"{format_number(cell.pairing_floor, decimals)} by pairing alone")
    if (alignment := cell.conditions.alignment) and alignment != "none":
        text = "scale and shift, per view" if alignment == "scale_shift" else f"scale {alignment.replace('_', ' ')}"
        lines.append(sanitize(text, 30))
    return tuple(lines)
