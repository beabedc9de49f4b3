"""Boards (leaderboard tables) in the form that the page's templates show: strings sanitized, numbers formatted, reasons as numbered notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from hoibench.metrics.card_text import DIRECTIONS
from hoibench.results.board import Board, Column
from hoibench.results.board_rows import BoardRow
from hoibench.results.cell_details import cell_details, describe_cost, show_command
from hoibench.results.cell_text import column_decimals, failure_text, format_number
from hoibench.results.cells import Cell
from hoibench.results.ranking import REFERENCE_ROW, SECONDARY_METRIC
from hoibench.text import count
from leaderboard.bars import Bar, BarScale, column_scale, draw_bar
from leaderboard.card_view import ARROWS
from leaderboard.text import sanitize, web_link

FAMILY_TITLES = {"i2v": "I2V", "i2vm": "I2VM", "v2v": "V2V", "vto4r": "Vto4R", "ito4g": "Ito4G"}
PRIVILEGED = ("v2v", "vto4r")
STATUS_WORDS = {"not_applicable": "n/a"}
_IMPLIED = (REFERENCE_ROW, SECONDARY_METRIC)
"""Reasons not to rank a value that get no note, since the table's section or column head already states them."""


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
class ColumnView:
    """The head of a table column (a metric).

    Attributes:
        title, unit: the metric's title and unit.
        arrow, direction: which values are better, as an arrow and in words.
        better: the card's direction, e.g. ``lower``.
        group: slug (id for HTML) of the group of columns.
        is_secondary: true if the metric is never ranked.
        is_primary: true if the metric was declared in advance as one that compares methods.
        card: number of the metric's card (its description) on the page, or None.
    """

    title: str
    unit: str
    arrow: str
    direction: str
    better: str
    group: str
    is_secondary: bool
    is_primary: bool
    card: int | None


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
        notes: numbers of the cell's notes under the table.
        bar: the bar of mean and interval, or None.
        details: (name, text) of the numbers behind the value, see ``cell_details``.
        command: the command that prints these numbers, or empty.
        order: sort key, lower first, None last.
        group: slug of the column's group.
        is_secondary: true if the metric is never ranked.
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
    group: str
    is_secondary: bool


@dataclass(frozen=True)
class RowView:
    """A table row (a method).

    Attributes:
        label: the method's name.
        link: URL of its paper, or None.
        families: (title, is_privileged) of each family; a privileged family gets videos of the clip as input.
        badges: short facts about the method, e.g. its pairing, or that its predictions are precomputed.
        seeds: the number of seeds as text, empty for a reference row.
        notes: numbers of the row's notes under the table.
        role: ``ceiling``, ``ranked`` or ``floor``, see ``BoardRow``.
        cells: one for each column.
    """

    label: str
    link: str | None
    families: tuple[tuple[str, bool], ...]
    badges: tuple[str, ...]
    seeds: str
    notes: tuple[int, ...]
    role: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class SectionView:
    """A section of table rows.

    Attributes:
        title: the families, or a title of reference rows.
        is_sortable: true for methods.
        separable: the smallest separable difference of each column; empty if no column has one.
        rows: the rows.
    """

    title: str
    is_sortable: bool
    separable: tuple[str, ...]
    rows: tuple[RowView, ...]


@dataclass(frozen=True)
class TableView:
    """A board in one region (full frame or foreground), as one HTML table.

    Attributes:
        region: ``full`` or ``fg``.
        groups: (title, slug, number of columns, number of secondary columns) of each group of neighbouring columns.
        columns: heads of the columns.
        sections: of rows: reference rows, and methods by family.
        notes: texts of the notes under the table, from number 1.
    """

    region: str
    groups: tuple[tuple[str, str, int, int], ...]
    columns: tuple[ColumnView, ...]
    sections: tuple[SectionView, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BoardView:
    """A board with one table for each region.

    Attributes:
        kind: the kind of data, ``measured`` or ``synthetic``.
        title: the split's name.
        facts: (name, text) of the facts above the tables, e.g. data set and number of clips.
        warning: a sentence above the tables, or empty.
        notes: sentences on the clips and on omitted metrics.
        tables: one for each region.
        groups: (slug, title) of each group of columns.
    """

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    warning: str
    notes: tuple[str, ...]
    tables: tuple[TableView, ...]
    groups: tuple[tuple[str, str], ...]


def build_board_view(board: Board, card_numbers: Mapping[str, int]) -> BoardView:
    """Return a board in the form that the page's templates show.

    Args:
        board: the board.
        card_numbers: number of each metric's card (description) on the page, by metric id.
    """
    facts = (
        ("data set", sanitize(board.dataset, 60)),
        ("split", sanitize(board.split, 80)),
        ("split id", sanitize(board.split_id, 40)),
        *([("truth", sanitize(board.truth_id, 80))] if board.truth_id else []),
        ("clip set id", sanitize(", ".join(board.clip_set_ids), 120)),
        ("clips", str(len(board.clips))),
        ("object pairs", str(board.clusters)),
        ("runs", sanitize(", ".join(run.record.name for run in board.runs), 300)),
    )
    groups = {column.card.group: column.card.group_title for column in board.columns}
    return BoardView(
        kind=board.kind,
        title=sanitize(board.split, 80),
        facts=facts,
        warning=board.warning,
        notes=tuple(sanitize(note, 1000) for note in board.notes),
        tables=tuple(_table(board, region, card_numbers) for region in board.regions),
        groups=tuple((_slug(group), title) for group, title in groups.items()),
    )


def _table(board: Board, region: str, card_numbers: Mapping[str, int]) -> TableView:
    notes = Notes()
    columns = [(n, board.columns[n]) for n in board.columns_in(region)]
    heads = tuple(
        _column(column, region, card_numbers, is_secondary=not (column.card.ranked or board.is_paper))
        for _, column in columns
    )
    decimals = {n: column_decimals(board, n) for n, _ in columns}
    scales = {n: column_scale(board, n) for n, _ in columns}
    rows = [
        _row(
            row,
            [
                (board.cells[m, n], head, decimals[n], scales[n], column, show_command(board, row, column))
                for (n, column), head in zip(columns, heads, strict=True)
            ],
            notes,
        )
        for m, row in enumerate(board.rows)
    ]
    members_of = [
        (group, list(members)) for group, members in groupby((c for _, c in columns), key=lambda c: c.card.group)
    ]
    groups = tuple(
        (
            members[0].card.group_title,
            _slug(group),
            len(members),
            sum(not (column.card.ranked or board.is_paper) for column in members),
        )
        for group, members in members_of
    )
    return TableView(sanitize(region, 20), groups, heads, _sections(board, columns, rows), tuple(notes.texts))


def _column(column: Column, region: str, card_numbers: Mapping[str, int], *, is_secondary: bool) -> ColumnView:
    card = column.card
    return ColumnView(
        title=sanitize(card.title, 60) + ("" if column.region == region else ", foreground"),
        unit=sanitize(card.unit, 20),
        arrow=ARROWS[card.direction],
        direction=DIRECTIONS[card.direction],
        better=card.direction,
        group=_slug(card.group),
        is_secondary=is_secondary,
        is_primary=card.primary,
        card=card_numbers.get(card.id),
    )


def _row(
    row: BoardRow, cells: Sequence[tuple[Cell, ColumnView, int, BarScale | None, Column, str]], notes: Notes
) -> RowView:
    method = row.method
    reasons = {
        cell.standing.unranked for cell, column, *_ in cells if cell.value is not None and not column.is_secondary
    }
    shared = next(iter(reasons)) if len(reasons) == 1 else None
    implied = (*_IMPLIED, shared)
    view_type = {"sv": "one view at a time", "mv": "views together"}.get(method.view_type or "")
    pairing = f"paired by {method.pairing}" if method.pairing else None
    source = "precomputed" if method.precomputed else None
    badges = [text for text in (source, view_type, pairing, *method.privileges) if text and method.kind != "reference"]
    return RowView(
        label=sanitize(row.label, 60),
        link=web_link(method.paper),
        families=tuple((sanitize(FAMILY_TITLES.get(f, f), 12), f in PRIVILEGED) for f in method.families[:6]),
        badges=tuple(sanitize(text, 40) for text in badges[:8]),
        seeds="" if method.kind == "reference" else count(row.seeds, "seed"),
        notes=(notes.add(f"Not ranked: {shared}."),) if shared and shared not in _IMPLIED else (),
        role=row.role,
        cells=tuple(_cell(*cell, implied, notes) for cell in cells),
    )


def _cell(
    cell: Cell, head: ColumnView, decimals: int, scale: BarScale | None, column: Column, command: str,
    implied: Sequence[str | None], notes: Notes,
) -> CellView:  # fmt: skip
    note_texts = []
    if cell.value is None:
        note_texts.append(f"{cell.status.replace('_', ' ').capitalize()}: {cell.reason}")
    elif cell.standing.unranked and cell.standing.unranked not in (*implied, cell.grey):
        note_texts.append(f"Not ranked: {cell.standing.unranked}.")
    if cell.grey:
        note_texts.append(f"Greyed: {cell.grey}.")
    status, interval, standing = sanitize(cell.status, 20), cell.value_interval, cell.standing
    return CellView(
        text=STATUS_WORDS.get(cell.status, status) if cell.value is None else format_number(cell.value, decimals),
        status=status,
        failures=failure_text(cell),
        interval=" – ".join(format_number(end, decimals) for end in (interval.low, interval.high)) if interval else "",
        count=f"{cell.answered}/{cell.n_expected}",
        is_complete=cell.answered == cell.n_expected,
        mark="leader" if standing.is_leader else "tied" if standing.in_leading_group else "",
        is_grey=cell.grey is not None,
        extras=_extras(cell, decimals),
        notes=tuple(notes.add(text) for text in note_texts),
        bar=draw_bar(cell, scale),
        details=tuple((name, sanitize(text, 200)) for name, text in cell_details(cell, column)),
        command=sanitize(command, 600) if cell.value is not None else "",
        order=cell.order,
        group=head.group,
        is_secondary=head.is_secondary,
    )


def _extras(cell: Cell, decimals: int) -> tuple[str, ...]:
    """Return the texts under a cell's value: failed seeds, ratio to the truth, incomplete coverage, the pairing's floor, how points were aligned."""
    lines = []
    if cell.failed_seeds and not cell.failed:
        lines.append(f"{count(cell.failed_seeds, 'seed')} failed")
    if cell.value_over_answered is not None:
        ends = (cell.interval.low, cell.interval.high) if cell.interval else ()
        interval = f" ({' – '.join(format_number(end, decimals) for end in ends)})" if ends else ""
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


def _sections(board: Board, columns: Sequence[tuple[int, Column]], views: Sequence[RowView]) -> tuple[SectionView, ...]:
    titles = {
        "ceiling": "Reference rows made from the truth",
        "floor": "Reference rows without knowledge of the motion",
    }

    def role_and_title(m: int) -> tuple[str, str]:
        row = board.rows[m]
        families = " · ".join(FAMILY_TITLES.get(f, f) for f in row.method.families) or "family not stated"
        return row.role, titles.get(row.role) or sanitize(families, 60)

    sections = []
    for (role, title), group in groupby(range(len(board.rows)), key=role_and_title):
        members = list(group)
        separable = tuple(_separable(board, members, n, column) for n, column in columns)
        sections.append(
            SectionView(title, role == "ranked", separable if any(separable) else (), tuple(views[m] for m in members))
        )
    return tuple(sections)


def _separable(board: Board, members: Sequence[int], n: int, column: Column) -> str:
    """Return the smallest separable differences of a column in a section, one for each class of rows that are ranked together."""
    costs = {cost for m in members if (cost := board.cells[m, n].standing.separable) is not None}
    return " / ".join(describe_cost(cost, column.card.direction) for cost in sorted(costs))


def _slug(group: str) -> str:
    return group.replace("/", "-")
