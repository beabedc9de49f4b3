"""Tables of a board in the form that the page's templates show: heads, sections of rows, cells, and reasons as numbered notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from hoibench.metrics.card_text import DIRECTIONS
from hoibench.results.board import Board, Column
from hoibench.results.cell_text import REGION_NAMES, column_decimals, with_region
from hoibench.results.ranking import REFERENCE_ROW, SECONDARY_METRIC
from hoibench.text import count
from leaderboard.bars import column_scale
from leaderboard.card_view import ARROWS
from leaderboard.cell_view import CellView, Notes, build_cell_view
from leaderboard.headline import FAMILY_TITLES
from leaderboard.text import sanitize, web_link

PRIVILEGED = ("v2v", "vto4r")
_IMPLIED = (REFERENCE_ROW, SECONDARY_METRIC)
"""Reasons not to rank a value that get no note, since the table's section or column head already states them."""


@dataclass(frozen=True)
class ColumnView:
    """The head of a table column (a metric).

    Attributes:
        index: the column's index on the board.
        title, unit: the metric's title and unit.
        arrow, direction: which values are better, as an arrow and in words.
        better: the card's direction, e.g. ``lower``.
        group: slug (id for HTML) of the group of columns.
        is_secondary: true if the metric is never ranked.
        is_primary: true if the metric was declared in advance as one that compares methods.
        is_folded: true if the column orders nobody: all methods have the same text, and it is not primary.
        card: number of the metric's card (its description) on the page, or None.
    """

    index: int
    title: str
    unit: str
    arrow: str
    direction: str
    better: str
    group: str
    is_secondary: bool
    is_primary: bool
    is_folded: bool
    card: int | None


@dataclass(frozen=True)
class RowView:
    """A table row (a method).

    Attributes:
        index: the row's index on the board.
        label: the method's name, or its key.
        name: the method's name, if the label is its key.
        link: URL of a method's paper, or None.
        families: (title, is_privileged) of each family; a privileged family gets videos of the clip as input.
        badges: short facts about the method, e.g. its pairing, or that its predictions are precomputed.
        seeds: the number of seeds as text, empty for a reference row.
        notes: numbers of the row's notes under the table.
        role: ``ranked``, ``ceiling`` or ``floor``, see ``BoardRow``.
        command: the command of the run that the row comes from.
        cells: one for each column.
    """

    index: int
    label: str
    name: str
    link: str | None
    families: tuple[tuple[str, bool], ...]
    badges: tuple[str, ...]
    seeds: str
    notes: tuple[int, ...]
    role: str
    command: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class SectionView:
    """A section of table rows.

    Attributes:
        title: the families, or a title of reference rows.
        is_sortable: true for methods.
        rows: the rows.
    """

    title: str
    is_sortable: bool
    rows: tuple[RowView, ...]


@dataclass(frozen=True)
class TableView:
    """A board in one region (full frame or foreground), as one HTML table.

    Attributes:
        region, region_title: ``full`` or ``fg``, and its name.
        groups: (title, slug, number of columns) of each group of neighbouring columns.
        columns: heads of the columns.
        sections: of rows: methods by family, then reference rows.
        notes: texts of the notes under the table, from number 1.
    """

    region: str
    region_title: str
    groups: tuple[tuple[str, str, int], ...]
    columns: tuple[ColumnView, ...]
    sections: tuple[SectionView, ...]
    notes: tuple[str, ...]


def build_table_view(board: Board, region: str, card_numbers: Mapping[str, int]) -> TableView:
    """Return the table of a board in one region; ``card_numbers`` as for ``build_board_view``."""
    notes, columns = Notes(), board.columns_in(region)
    decimals = {n: column_decimals(board, n) for n in columns}
    scales = {n: column_scale(board, n) for n in columns}
    rows = []
    for m in range(len(board.rows)):
        shared = _shared_reason(board, m, columns)
        cells = [build_cell_view(board, m, n, decimals[n], scales[n], (*_IMPLIED, shared), notes) for n in columns]
        rows.append(_row(board, m, shared, cells, notes))
    heads = tuple(
        _column(board, n, region, card_numbers, [row.cells[place] for row in rows]) for place, n in enumerate(columns)
    )
    members_of = [
        (group, list(members))
        for group, members in groupby((board.columns[n] for n in columns), key=lambda c: c.card.group)
    ]
    groups = tuple((members[0].card.group_title, slug(group), len(members)) for group, members in members_of)
    title = REGION_NAMES.get(region, sanitize(region, 20))
    return TableView(sanitize(region, 20), title, groups, heads, _sections(board, columns, rows), tuple(notes.texts))


def _column(
    board: Board, n: int, region: str, card_numbers: Mapping[str, int], cells: Sequence[CellView]
) -> ColumnView:
    column = board.columns[n]
    card = column.card
    return ColumnView(
        index=n,
        title=sanitize(with_region(card.title, column.region, region), 80),
        unit=sanitize(card.unit, 20),
        arrow=ARROWS[card.direction],
        direction=DIRECTIONS[card.direction],
        better=card.direction,
        group=slug(card.group),
        is_secondary=_is_secondary(board, column),
        is_primary=card.primary,
        is_folded=not card.primary and not board.is_paper and _orders_nobody(board, cells),
        card=card_numbers.get(card.id),
    )


def _is_secondary(board: Board, column: Column) -> bool:
    return not (column.card.ranked or board.is_paper)


def _orders_nobody(board: Board, cells: Sequence[CellView]) -> bool:
    """Return True if all methods have the same text in a column; on a board with a single method, if all rows have."""
    texts = [
        [f"{cell.failures} {cell.text}" for cell, row in zip(cells, board.rows, strict=True) if keep(row.role)]
        for keep in ("ranked".__eq__, bool)
    ]
    shown = next((column for column in texts if len(column) > 1), [])
    return bool(shown) and len(set(shown)) == 1


def _shared_reason(board: Board, m: int, columns: Sequence[int]) -> str | None:
    """Return the reason not to rank a row if it is the same in all columns that rank."""
    reasons = {
        board.cells[m, n].standing.unranked
        for n in columns
        if board.cells[m, n].value is not None and not _is_secondary(board, board.columns[n])
    }
    return next(iter(reasons)) if len(reasons) == 1 else None


def _row(board: Board, m: int, shared: str | None, cells: Sequence[CellView], notes: Notes) -> RowView:
    row = board.rows[m]
    method = row.method
    view_type = {"sv": "one view at a time", "mv": "views together"}.get(method.view_type or "")
    pairing = f"paired by {method.pairing}" if method.pairing else None
    source = "precomputed" if method.precomputed else None
    badges = [text for text in (source, view_type, pairing, *method.privileges) if text and method.kind != "reference"]
    is_key = row.label.startswith(method.key)
    return RowView(
        index=m,
        label=sanitize(row.label, 60),
        name=sanitize(method.name, 100) if is_key and row.role == "ranked" and method.name != row.label else "",
        link=web_link(method.paper) if row.role == "ranked" else None,
        families=tuple((sanitize(FAMILY_TITLES.get(f, f), 12), f in PRIVILEGED) for f in method.families[:6]),
        badges=tuple(sanitize(text, 40) for text in badges[:8]),
        seeds="" if method.kind == "reference" else count(row.seeds, "seed"),
        notes=(notes.add(f"Not ranked: {shared}."),) if shared and shared not in _IMPLIED else (),
        role=row.role,
        command=sanitize(row.run.record.provenance.get("command", ""), 600),
        cells=tuple(cells),
    )


def _sections(board: Board, columns: Sequence[int], views: Sequence[RowView]) -> tuple[SectionView, ...]:
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
        sections.append(SectionView(title, role == "ranked", tuple(views[m] for m in members)))
    return tuple(sections)


def slug(group: str) -> str:
    """Return the id of a group of metrics in HTML."""
    return group.replace("/", "-")
