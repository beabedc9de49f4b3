"""From boards to what the templates print: every string plain and short, every number formatted, every reason a numbered note."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from hoibench.reference_rows import DEGRADED
from hoibench.results.board import Board, Column
from hoibench.results.cells import Cell
from hoibench.results.entrants import Entrant
from leaderboard.bars import Bar, Scale, bar, scale_of
from leaderboard.text import decimals, number, plain, web_link

FAMILY_TITLES = {"i2v": "I2V", "i2vm": "I2VM", "v2v": "V2V", "vto4r": "Vto4R", "ito4g": "Ito4G"}
PRIVILEGED = ("v2v", "vto4r")
ARROWS = {"lower": "↓", "higher": "↑", "ratio": "→1", "none": ""}
DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "ratio": "ranked by how far its ratio to the truth is from 1",
    "none": "not ranked",
}
STATUS_WORDS = {"not_applicable": "n/a"}
_IMPLIED = ("a reference row", "a secondary metric, shown but never ranked")
"""Reasons that the row's or the column's head says already."""


@dataclass
class Notes:
    """Numbered notes under a table, one for each distinct text."""

    texts: list[str] = field(default_factory=list)

    def number(self, text: str) -> int:
        """The note's number, from 1."""
        text = plain(text, 400)
        if text not in self.texts:
            self.texts.append(text)
        return self.texts.index(text) + 1


@dataclass(frozen=True)
class HeadView:
    """A column's head."""

    title: str
    unit: str
    arrow: str
    direction: str
    better: str
    group: str
    secondary: bool
    card: int | None


@dataclass(frozen=True)
class CellView:
    """A cell as text; ``mark`` is ``leader``, ``tied`` or empty, ``order`` the sort key, lower first, None last."""

    text: str
    status: str
    interval: str
    optimistic: bool
    count: str
    complete: bool
    mark: str
    grey: bool
    extra: tuple[str, ...]
    notes: tuple[int, ...]
    bar: Bar | None
    order: float | None
    group: str
    secondary: bool


@dataclass(frozen=True)
class RowView:
    """A line: its name, badges and cells."""

    label: str
    link: str | None
    families: tuple[tuple[str, bool], ...]
    badges: tuple[str, ...]
    seeds: str
    notes: tuple[int, ...]
    role: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class TableView:
    """A board in one region; ``sections`` are (title, sortable, rows)."""

    region: str
    groups: tuple[tuple[str, str, int, int], ...]
    heads: tuple[HeadView, ...]
    sections: tuple[tuple[str, bool, tuple[RowView, ...]], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class BoardView:
    """A board with a table for each region."""

    kind: str
    title: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    tables: tuple[TableView, ...]
    groups: tuple[tuple[str, str], ...]


def board_view(board: Board, cards: Mapping[str, int]) -> BoardView:
    """What the page prints of a board.

    Args:
        board: the board.
        cards: place of each metric's card on the page, by metric id.
    """
    facts = (
        ("data set", plain(board.dataset, 60)),
        ("split", plain(board.split, 80)),
        ("split id", plain(board.split_id, 40)),
        *([("truth", plain(board.truth_id, 80))] if board.truth_id else []),
        ("clip set id", plain(", ".join(board.clip_set_ids), 120)),
        ("clips", str(len(board.clips))),
        ("object pairs", str(board.clusters)),
        ("runs", plain(", ".join(run.record.name for run in board.runs), 300)),
    )
    groups = {column.metric.group: column.metric.group_title for column in board.columns}
    return BoardView(
        kind=board.kind,
        title=plain(board.split, 80),
        facts=facts,
        notes=tuple(plain(note, 1000) for note in board.notes),
        tables=tuple(_table(board, region, cards) for region in board.regions),
        groups=tuple((_slug(group), title) for group, title in groups.items()),
    )


def _table(board: Board, region: str, cards: Mapping[str, int]) -> TableView:
    notes = Notes()
    columns = [(n, column) for n, column in enumerate(board.columns) if column.region == region]
    heads = tuple(_head(column, cards) for _, column in columns)
    places, scales = {}, {}
    for n, _ in columns:
        cells = [board.cells[m, n] for m in range(len(board.entrants))]
        places[n] = decimals(cell.value for cell in cells if cell.value is not None)
        shown = [cell for cell, entrant in zip(cells, board.entrants, strict=True) if entrant.method.id not in DEGRADED]
        scales[n] = scale_of(shown or cells)
    rows = [
        _row(
            entrant,
            [(board.cells[m, n], head, places[n], scales[n]) for (n, _), head in zip(columns, heads, strict=True)],
            notes,
        )
        for m, entrant in enumerate(board.entrants)
    ]
    groups = tuple(
        (members[0].metric.group_title, _slug(key), len(members), sum(not column.metric.ranked for column in members))
        for key, members in (
            (key, list(run)) for key, run in groupby((c for _, c in columns), key=lambda column: column.metric.group)
        )
    )
    return TableView(plain(region, 20), groups, heads, tuple(_sections(board.entrants, rows)), tuple(notes.texts))


def _head(column: Column, cards: Mapping[str, int]) -> HeadView:
    metric = column.metric
    return HeadView(
        title=plain(metric.title, 60),
        unit=plain(metric.unit, 20),
        arrow=ARROWS[metric.direction],
        direction=DIRECTIONS[metric.direction],
        better=metric.direction,
        group=_slug(metric.group),
        secondary=not metric.ranked,
        card=cards.get(metric.id),
    )


def _row(entrant: Entrant, cells: Sequence[tuple[Cell, HeadView, int, Scale | None]], notes: Notes) -> RowView:
    method = entrant.method
    reasons = {cell.standing.unranked for cell, head, _, _ in cells if cell.value is not None and not head.secondary}
    shared = next(iter(reasons)) if len(reasons) == 1 else None
    implied = (*_IMPLIED, shared)
    view = {"sv": "one view at a time", "mv": "views together"}.get(method.view_type or "")
    pairing = f"paired by {method.pairing}" if method.pairing else None
    badges = [text for text in (view, pairing, *method.privileges) if text and method.kind != "reference"]
    return RowView(
        label=plain(entrant.label, 60),
        link=web_link(method.paper),
        families=tuple((plain(FAMILY_TITLES.get(f, f), 12), f in PRIVILEGED) for f in method.families[:6]),
        badges=tuple(plain(text, 40) for text in badges[:8]),
        seeds="" if method.kind == "reference" else "one seed" if entrant.seeds == 1 else f"{entrant.seeds} seeds",
        notes=(notes.number(f"Not ranked: {shared}."),) if shared and shared not in _IMPLIED else (),
        role=entrant.role,
        cells=tuple(_cell(cell, head, places, scale, implied, notes) for cell, head, places, scale in cells),
    )


def _cell(
    cell: Cell, head: HeadView, places: int, scale: Scale | None, implied: Sequence[str | None], notes: Notes
) -> CellView:
    said = []
    if cell.value is None:
        said.append(f"{cell.status.replace('_', ' ').capitalize()}: {cell.reason}")
    elif cell.standing.unranked and cell.standing.unranked not in implied:
        said.append(f"Not ranked: {cell.standing.unranked}.")
    if cell.grey:
        said.append(f"Greyed: {cell.grey}.")
    bounds = cell.interval
    return CellView(
        text=number(cell.value, places)
        if cell.value is not None
        else STATUS_WORDS.get(cell.status, plain(cell.status, 20)),
        status=plain(cell.status, 20),
        interval=f"{number(bounds.low, places)} – {number(bounds.high, places)}" if bounds else "",
        optimistic=bounds is not None and bounds.optimistic,
        count=f"{cell.n_scored}/{cell.n_expected}",
        complete=cell.n_scored == cell.n_expected,
        mark="leader" if cell.standing.leader else "tied" if cell.standing.tied else "",
        grey=cell.grey is not None,
        extra=_extra(cell, places),
        notes=tuple(notes.number(text) for text in said),
        bar=bar(cell, scale),
        order=cell.order,
        group=head.group,
        secondary=head.secondary,
    )


def _extra(cell: Cell, places: int) -> tuple[str, ...]:
    """What stands beside a number: failures and the number without them, the factor to the truth, coverage where points are missing."""
    parts = []
    if cell.failures:
        parts.append(f"{cell.failures} failed")
    if cell.without_failures is not None:
        parts.append(f"{number(cell.without_failures, places)} without")
    if cell.off_ratio is not None:
        parts.append("over 500× off" if cell.off_ratio > 500 else f"{cell.off_ratio:.2f}× off")
    if cell.handling.coverage is not None and cell.handling.coverage < 0.9995:
        parts.append(f"covers {100 * cell.handling.coverage:.1f} %")
    if cell.handling.alignment not in (None, "none"):
        parts.append(f"scale {plain(cell.handling.alignment, 20).replace('_', ' ')}")
    return tuple(parts)


def _sections(entrants: Sequence[Entrant], rows: Sequence[RowView]) -> list[tuple[str, bool, tuple[RowView, ...]]]:
    titles = {"ceiling": "Reference rows made from the truth", "floor": "Reference rows that know nothing"}

    def title(pair: tuple[Entrant, RowView]) -> tuple[str, str]:
        entrant, _ = pair
        families = " · ".join(FAMILY_TITLES.get(f, f) for f in entrant.method.families) or "family not stated"
        return entrant.role, titles.get(entrant.role) or plain(families, 60)

    pairs = zip(entrants, rows, strict=True)
    return [
        (text, role == "ranked", tuple(row for _, row in members))
        for (role, text), members in groupby(pairs, key=title)
    ]


def _slug(group: str) -> str:
    return group.replace("/", "-")
