"""The strip of the first page: the videos of one typical clip, of the truth and up to four methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.board import Board
from hoibench.text import count
from leaderboard.clip_choice import TypicalClip, main_column, rank_methods, typical_clip
from leaderboard.clip_files import view_names
from leaderboard.media import PredictionMedia, has_media
from leaderboard.payloads import clip_address, clip_id, row_keys
from leaderboard.text import sanitize

MAX_METHODS = 4
MAX_VIEWS = 3


@dataclass(frozen=True)
class StripRow:
    """The videos of one row (method).

    Attributes:
        label: the row's name.
        sheets: (view, path of its sheet) of the first views.
        media: the row's media on the clip.
    """

    label: str
    sheets: tuple[tuple[str, str], ...]
    media: PredictionMedia


@dataclass(frozen=True)
class StripView:
    """The strip in the form that the template shows.

    Attributes:
        caption: a sentence that says which clip it is, and why this one.
        link: the address of the clip's page.
        frames, fps: number of frames and rate of the strip's clock.
        rows: the truth, if there is one, and the methods.
    """

    caption: str
    link: str
    frames: int
    fps: float
    rows: tuple[StripRow, ...]


def build_strip(board: Board, number: int, media: Mapping[tuple[int, int], PredictionMedia]) -> StripView | None:
    """Return the strip of board ``number`` (from 1), or None if none of its videos is in ``media``.

    The clip is the typical one; without a method with values, the first one that has media.
    """
    typical = typical_clip(board)
    c = typical.clip if typical else min((c for _, c in media), default=None)
    if c is None:
        return None
    shown = {m: media[m, c] for m in _strip_rows(board) if (m, c) in media}
    playing = [found for found in shown.values() if found.problem is None]
    if not playing:
        return None
    keys = row_keys(board)
    return StripView(
        caption=_caption(board, clip_id(board.clips[c].id), typical),
        link=clip_address(number, board.clips[c].id, [keys[m] for m in shown]),
        frames=max(found.frames for found in playing),
        fps=max(found.fps for found in playing),
        rows=tuple(_strip_row(board, m, c, found) for m, found in shown.items()),
    )


def _strip_rows(board: Board) -> list[int]:
    """Return the indices of the truth's row and of up to four methods: the leader, then by mean cost; those without a value last."""
    column = main_column(board)
    ranked = [] if column is None else rank_methods(board, column)
    others = [
        m for m, row in enumerate(board.rows) if has_media(row) and row.method.id != GROUND_TRUTH and m not in ranked
    ]
    truth = [m for m, row in enumerate(board.rows) if row.method.id == GROUND_TRUTH]
    return truth + (ranked + others)[:MAX_METHODS]


def _strip_row(board: Board, m: int, c: int, media: PredictionMedia) -> StripRow:
    sheets = zip(view_names(board, c, len(media.sheets)), media.sheets, strict=True)
    return StripRow(sanitize(board.rows[m].label, 60), tuple(sheets)[:MAX_VIEWS], media)


def _caption(board: Board, name: str, typical: TypicalClip | None) -> str:
    """Return a sentence that says why the strip shows the clip with a name."""
    if typical is None:
        return f"Clip {name}"
    label = sanitize(board.rows[typical.row].label, 60)
    title = sanitize(board.columns[typical.column].card.title, 60)
    values = f"value here is the median of its {count(typical.answered, 'clip')}"
    if typical.is_leader:
        return f"A typical clip, {name}: {label} leads {title}, and its {values}."
    return f"A typical clip, {name}: in {title}, {label}’s {values}."
