"""The data files of single clips, which clip.html loads: a clip's description, and the videos, points and curves of each row (method)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hoibench.clip import View
from hoibench.results.board import Board
from leaderboard.frame_curves import Curves, frame_curves
from leaderboard.media import PredictionMedia
from leaderboard.payloads import clip_id, row_keys
from leaderboard.points import ClipScene, PredictionScene, collect_scene
from leaderboard.text import sanitize


def clip_file_names(board_name: str, media: Mapping[tuple[int, int], PredictionMedia]) -> dict[int, str]:
    """Return the names of the data files of the clips that have media, by clip index."""
    return {c: f"{board_name}-clip-{c:03d}" for c in sorted({c for _, c in media})}


def clip_payloads(
    board: Board, board_name: str, media: Mapping[tuple[int, int], PredictionMedia]
) -> Iterator[tuple[str, object]]:
    """Yield the (name, value) pairs of the data files of the clips of a board that have media, and of their points.

    Args:
        board: the board.
        board_name: the name of its data file, e.g. ``b1``.
        media: from ``collect_media``.
    """
    curves = frame_curves(board, media)
    for c, name in clip_file_names(board_name, media).items():
        scene = collect_scene(board, c)
        yield from scene.payloads.items()
        yield name, clip_payload(board, c, media, scene, curves)


def clip_payload(
    board: Board,
    c: int,
    media: Mapping[tuple[int, int], PredictionMedia],
    scene: ClipScene,
    curves: Mapping[tuple[int, int], Curves],
) -> dict[str, Any]:
    """Return the data of clip ``c`` of a board: ``{id, prompt, triplet, frames, fps, size, truth, views: [...], rows: {KEY: {...}}}``.

    A clip that no run has stored has views without cameras, and the length and rate of its videos.
    """
    entry, clip = board.clips[c], scene.clip
    rows = {
        key: (media[m, c], scene.rows.get(m), curves[m, c]) for m, key in enumerate(row_keys(board)) if (m, c) in media
    }
    videos = [found for found, *_ in rows.values() if not found.problem]
    views = max((len(found.sheets) for found in videos), default=len(entry.camera_ids))
    return {
        "id": clip_id(entry.id),
        "prompt": sanitize(clip.prompt or "", 1000) if clip else "",
        "triplet": [sanitize(word, 60) for word in entry.triplet] if entry.triplet else None,
        "frames": clip.frames if clip else max((found.frames for found in videos), default=1),
        "fps": clip.fps if clip else max((found.fps for found in videos), default=1.0),
        "size": clip.size if clip else None,
        "truth": scene.truth,
        "views": [_view(view) for view in clip.views]
        if clip
        else [{"id": name} for name in view_names(board, c, views)],
        "rows": {key: _row(*found) for key, found in rows.items()},
    }


def view_names(board: Board, c: int, views: int) -> list[str]:
    """Return the names of the views of clip ``c``: the ids of its cameras, or their numbers."""
    ids = [sanitize(id, 40) for id in board.clips[c].camera_ids]
    return ids if len(ids) == views else [str(v) for v in range(views)]


def _view(view: View) -> dict[str, Any]:
    camera = view.camera
    facts = {name: getattr(camera, name).tolist() for name in "KRt"} if camera else {}
    return {"id": sanitize(view.id, 40), "cluster": view.cluster} | facts


def _row(media: PredictionMedia, scene: PredictionScene | None, curves: Curves) -> dict[str, Any]:
    return {
        "seed": media.seed, "sheets": media.sheets, "tile": media.tile, "grid": media.grid, "frames": media.frames,
        "videos": media.videos, "problem": media.problem, "points": scene.points if scene else None,
        "alignment": scene.alignment if scene else "", "curves": (scene.curves if scene else {}) | curves,
    }  # fmt: skip
