"""The sentences above and below the tables of the ablations: what they are measured on, how large differences are by chance, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hoibench.reference_rows import FROZEN
from hoibench.results.board import Board
from hoibench.results.comparison import quantity
from hoibench.text import count
from reference_model.ablations.comparison import FULL, Entry, TableColumn, training_spread
from reference_model.ablations.rows import ROWS

Entries = Mapping[str, Mapping[TableColumn, Entry]]
"""The results of each row by name in each column."""


def summarize(board: Board, indices: Mapping[str, Sequence[int]]) -> str:
    """Return what the tables are measured on, and what a difference is, for their head.

    Args:
        board: the board of all trainings.
        indices: the board rows of each row's trainings, from ``comparison.find_rows``.
    """
    trainings = len(next(iter(indices.values())))
    seeds = min(board.rows[m].seeds for each in indices.values() for m in each)
    return (
        f"{board.extent} of {board.split}; {count(trainings, 'training')} of each row from one common start, with "
        f"{count(seeds, 'sampling seed')} each. A difference is of means over clips, the row's minus the other's, of the value or, where the column "
        "says so, of the absolute log ratio to the truth, with its 95 % interval; better and worse are separated by the test of docs/statistics.md, "
        "with p corrected for all comparisons of one column, and have the same sign in each training. "
        + ("With one training they speak of these weights, not of the method. " if trainings == 1 else "")
        + "The paper's numbers are of other data, another model and another matcher: only the order of two rows can be compared."
        + (f" {board.warning[0].upper()}{board.warning[1:]}." if board.is_demonstration else "")
    )


def general_notes(board: Board, columns: Mapping[TableColumn, int], indices: Mapping[str, Sequence[int]]) -> list[str]:
    """Return what helps to judge the size of differences: how far trainings of one row differ, and what standing still gets; and what is left out."""
    notes = [f"{ROWS[FULL].title}: {ROWS[FULL].thing}."] if FULL in indices else []
    for column, n in columns.items():
        spreads = {name: spread for name, m in indices.items() if (spread := training_spread(board, m, n)) is not None}
        if spreads:
            most = max(spreads, key=lambda name: spreads[name])
            kind = quantity(board.columns[n].card)
            notes.append(
                f"{column.title}: trainings of one row, which differ in the seed alone, differ by up to {spreads[most]:.3g}"
                f"{'' if kind == 'value' else f' in the {kind}'} ({ROWS[most].title})."
            )
    still = next((m for m, row in enumerate(board.rows) if row.method.key == FROZEN), None)
    if still is not None:
        cells = {column: board.cells[still, n].value for column, n in columns.items()}
        texts = [f"{column.title} {value:.4g}" for column, value in cells.items() if value is not None]
        notes.append(
            f"The true first frame held still, with true depths, which no method is given, has {', '.join(texts)}."
        )
    if (left_out := len(board.runs) - len(next(iter(indices.values())))) > 0:
        notes.append(f"{count(left_out, 'training')} without all of these rows left out.")
    return notes


def row_notes(columns: Mapping[TableColumn, int], entries: Entries) -> list[str]:
    """Return what must be known of single rows: values that are not judged or incomplete, and rows without tracks."""
    notes = []
    for name, row in entries.items():
        for reason in dict.fromkeys(row[column].unjudged for column in columns if row[column].unjudged):
            titles = " and ".join(column.title for column in columns if row[column].unjudged == reason)
            notes.append(f"{ROWS[name].title}, {titles}: not judged, since {reason}.")
        coverage = next((entry.coverage for entry in row.values() if entry.coverage is not None), None)
        if coverage is not None and coverage < 1:
            notes.append(f"{ROWS[name].title}: {100 * coverage:.1f} % of the true points have a prediction.")
        if not ROWS[name].gives_tracks:
            notes.append(f"{ROWS[name].title} gives videos alone, hence no numbers of motion.")
    return notes
