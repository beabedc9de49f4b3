"""Curves of the clip page from stored results: the values of single frames, of the metrics that store them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from hoibench.clip import Array
from hoibench.results.board import Board
from hoibench.results.cell_text import with_region
from hoibench.results.results_file import read_frame_values
from leaderboard.media import PredictionMedia
from leaderboard.text import sanitize

MAX_FRAMES = 10_000
"""Values of later frames are left out: a curve has a place for each frame, and a damaged file may name any."""

Curves = dict[str, list[float | None]]


def frame_curves(board: Board, media: Mapping[tuple[int, int], PredictionMedia]) -> dict[tuple[int, int], Curves]:
    """Return the curves of the predictions that a board shows, by (row index, clip index): a value a frame, the mean over its views, by title.

    Args:
        board: the board; the metrics of its columns count.
        media: the predictions from ``collect_media``; their seeds are the ones that are read.
    """
    ids = {board.clips[c].id for _, c in media}
    tables = {run.folder: read_frame_values(run.folder / "results.parquet", ids) for run in board.runs} if ids else {}
    curves: dict[tuple[int, int], Curves] = {}
    for (m, c), found in media.items():
        row, clip = board.rows[m], board.clips[c].id
        table = tables[row.run.folder]
        same = (table["method"] == row.method.id) & (table["preset"].fillna("") == (row.method.preset or ""))
        own = table[same & (table["clip"] == clip) & (table["seed"] == found.seed)]
        curves[m, c] = {}
        for column in board.columns:
            values = own[(own["metric"] == column.card.id) & (own["region"] == column.region)]
            values = values[values["frame"].between(0, MAX_FRAMES - 1)]
            means = values.groupby("frame")["value"].mean().dropna()
            if len(means):
                curves[m, c][_title(column.card.title, column.region, column.card.unit)] = _to_curve(means)
    return curves


def _title(title: str, region: str, unit: str) -> str:
    return sanitize(f"{with_region(title, region, 'full')}, {unit}", 100)


def _to_curve(means: pd.Series[float]) -> list[float | None]:
    """Return a value for every frame: a metric that compares frames some steps apart has one a step, which holds until the next."""
    frames: Array = means.index.to_numpy(dtype=np.int64)
    step = int(np.diff(frames).min()) if len(frames) > 1 else 1
    curve: list[float | None] = [None] * (int(frames[-1]) + step)
    for frame, value in zip(frames.tolist(), means.to_numpy(dtype=np.float64).tolist(), strict=True):
        curve[frame : frame + step] = [value] * step
    return curve
