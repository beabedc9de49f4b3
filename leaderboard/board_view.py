"""Boards (leaderboard tables) in the form that the page's templates show: headline, plots, highlights and tables, strings sanitized."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hoibench.results.board import Board
from hoibench.results.board_export import commits
from leaderboard.headline import Sentence, headline
from leaderboard.highlights import Highlights, highlights
from leaderboard.plots import Plot, draw_plots
from leaderboard.table_view import TableView, build_table_view, slug
from leaderboard.text import sanitize


@dataclass(frozen=True)
class BoardView:
    """A board with its headline, its plots and one table for each region.

    Attributes:
        name: the board's name in ids and data files: ``b1``, on the page of the paper's columns ``p1``.
        kind: the kind of data, ``measured`` or ``synthetic``.
        title: the split's name.
        headline, plots, highlights: see ``headline``, ``draw_plots`` and ``highlights``.
        notes: sentences on the clips and on omitted metrics.
        provenance: (name, text) of the ids of data and clips, and of the code.
        tables: one for each region.
        groups: (slug, title) of each group of columns.
        folded: the largest number of folded columns of a table.
    """

    name: str
    kind: str
    title: str
    headline: tuple[Sentence, ...]
    plots: tuple[Plot, ...]
    highlights: Highlights | None
    notes: tuple[str, ...]
    provenance: tuple[tuple[str, str], ...]
    tables: tuple[TableView, ...]
    groups: tuple[tuple[str, str], ...]
    folded: int


def build_board_view(board: Board, card_numbers: Mapping[str, int], number: int = 1) -> BoardView:
    """Return a board in the form that the page's templates show.

    Args:
        board: the board.
        card_numbers: number of each metric's card (description) on the page, by metric id.
        number: the board's number on its page, from 1.
    """
    tables = tuple(build_table_view(board, region, card_numbers) for region in board.regions)
    groups = {column.card.group: column.card.group_title for column in board.columns}
    return BoardView(
        name=f"{'p' if board.is_paper else 'b'}{number}",
        kind=board.kind,
        title=sanitize(board.split, 80),
        headline=headline(board),
        plots=draw_plots(board),
        highlights=highlights(board, number),
        notes=tuple(sanitize(note, 1000) for note in board.notes),
        provenance=_provenance(board),
        tables=tables,
        groups=tuple((slug(group), title) for group, title in groups.items()),
        folded=max((sum(column.is_folded for column in table.columns) for table in tables), default=0),
    )


def _provenance(board: Board) -> tuple[tuple[str, str], ...]:
    facts = {
        "data set": board.dataset,
        "split": board.split,
        "split id": board.split_id,
        "truth": board.truth_id,
        "clip set id": ", ".join(board.clip_set_ids),
        "clips": board.extent,
        "runs": ", ".join(run.record.name for run in board.runs),
        "commit": ", ".join(commits(board)),
    }
    return tuple((name, sanitize(text, 300)) for name, text in facts.items() if text)
