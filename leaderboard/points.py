"""Points for the site's 4D view: predictions paired and aligned as the metrics do, in the world, in 16-bit steps; and their distance per frame."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from hoibench.clip import Array, Clip, Pairing
from hoibench.clip_file import CLIP_FILE, clip_folder, read_clip
from hoibench.metrics.aligned_motion import AlignedMotion, align_stored_prediction, group_by_view
from hoibench.metrics.measurement import NoValue
from hoibench.metrics.true_tracks import TrueTracks, build_true_tracks, cameras_to_world
from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.board import Board
from hoibench.results.board_rows import BoardRow
from hoibench.store import sha256_json
from leaderboard.media import first_prediction, has_media
from leaderboard.payloads import pack
from leaderboard.text import error_text

MAX_POINTS = 400
"""Points of a clip that the site shows."""
MISSING = 65535
"""Coordinate of a point without a prediction."""
SCENE_SIZES = 5.0
"""Predicted points further from the truth than this many scene sizes are moved to that distance along each axis."""
DISTANCE = "Mean distance of the points to the truth, cm"
"""Title of the curve of ``distance_curve``."""


@dataclass(frozen=True, eq=False)
class ScenePoints:
    """Points in the world, each coordinate in 65,534 steps from ``low`` to ``high``.

    Attributes:
        xyz: (V, N, K, 3) uint16, ``MISSING`` where there is no point; V is 1 for the truth, which is the same for all views.
        part: (K,) uint8 index into ``hoibench.clip.PARTS``.
        low, high: (3,) metres.
    """

    xyz: Array
    part: Array
    low: Array
    high: Array

    def to_payload(self) -> dict[str, Any]:
        """Return the contents of a data file of points; arrays are base64 texts, lengths are metres, ``step_mm`` is the largest step."""
        views, frames, points, _ = self.xyz.shape
        return {
            "views": views,
            "frames": frames,
            "points": points,
            "box": [self.low.tolist(), self.high.tolist()],
            "step_mm": float(1000 * (self.high - self.low).max() / (MISSING - 1)),
            "part": pack(self.part),
            "xyz": pack(self.xyz),
        }


@dataclass(frozen=True)
class PredictionScene:
    """A prediction in the 4D view.

    Attributes:
        points: the name of the data file of its points, ``p-DIGEST``; None without points.
        alignment: its pairing and alignment in words, or why it has no points.
        curves: a value per frame (None: without one) by title.
    """

    points: str | None
    alignment: str
    curves: dict[str, list[float | None]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ClipScene:
    """A clip in the 4D view.

    Attributes:
        clip: the clip as it was scored; None if its run has not stored it.
        truth: the name of the data file of its true points; None without.
        rows: its predictions by row index.
        payloads: the contents of the data files by name.
    """

    clip: Clip | None
    truth: str | None
    rows: dict[int, PredictionScene]
    payloads: dict[str, dict[str, Any]]


def collect_scene(board: Board, c: int) -> ClipScene:
    """Return the scene of clip ``c`` of a board; a missing or damaged file of a run gives a reason in words."""
    rows = {m: row for m, row in enumerate(board.rows) if has_media(row)}
    clip = None
    try:
        clip = _read_stored_clip(board, board.clips[c].id)
        truth = build_true_tracks(clip)
        chosen = choose_points(truth)
        shown = true_points(truth, chosen)
    except (OSError, ValueError, NoValue) as error:
        return ClipScene(clip, None, {m: _without_points(row, error) for m, row in rows.items()}, {})
    payloads: dict[str, dict[str, Any]] = {}
    true_file = _add_payload(payloads, shown)
    memo: dict[Hashable, Any] = {}
    scenes = {}
    for m, row in rows.items():
        if row.method.id == GROUND_TRUTH:
            scenes[m] = PredictionScene(true_file, "the truth")
            continue
        try:
            _, folder = first_prediction(row, clip.id)
            if folder is None:
                raise FileNotFoundError("there is no complete prediction of this clip")
            motion = align_stored_prediction(folder, clip, cast(Pairing | None, row.method.pairing), memo)
            points = predicted_points(motion, chosen)
        except (OSError, ValueError, NoValue) as error:
            scenes[m] = _without_points(row, error)
            continue
        file = _add_payload(payloads, points)
        scenes[m] = PredictionScene(file, describe_alignment(motion), {DISTANCE: distance_curve(motion)})
    return ClipScene(clip, true_file, scenes, payloads)


def _add_payload(payloads: dict[str, dict[str, Any]], points: ScenePoints) -> str:
    """Add the contents of a data file; return its name, which tells the contents."""
    payload = points.to_payload()
    name = f"p-{sha256_json(payload)[:20]}"
    payloads[name] = payload
    return name


def choose_points(truth: TrueTracks) -> Array:
    """Return the indices, sorted, of up to ``MAX_POINTS`` points that some view sees in frame 0, drawn by a fixed shuffle."""
    seen = np.flatnonzero(truth.visible_first.any(axis=(0, 1)))
    return np.sort(np.random.default_rng(0).permutation(seen)[:MAX_POINTS])


def true_points(truth: TrueTracks, chosen: Array) -> ScenePoints:
    """Return the true points with some indices, where they were recorded.

    Raises:
        Undefined: all true points coincide.
        ValueError: points are too far away.
    """
    return _quantize(truth.world[None, :, chosen], truth.recorded[None, :, chosen], truth, chosen)


def predicted_points(motion: AlignedMotion, chosen: Array) -> ScenePoints:
    """Return the aligned predictions of the true points with some indices, in each view that sees the point in frame 0, as metrics count them.

    Raises:
        ValueError: points are too far away.
    """
    truth = motion.truth
    world = cameras_to_world(motion.pred.xyz, truth.cameras)
    valid = motion.pred.valid & truth.visible_first
    return _quantize(world[:, :, chosen], valid[:, :, chosen], truth, chosen)


def _quantize(world: Array, valid: Array, truth: TrueTracks, chosen: Array) -> ScenePoints:
    centre, reach = truth.world.mean(axis=(0, 1)), SCENE_SIZES * truth.scene_size
    near = np.clip(world, centre - reach, centre + reach)
    shown = near[valid] if valid.any() else centre[None]
    low, high = shown.min(axis=0), shown.max(axis=0)
    if not np.isfinite(high - low).all():
        raise ValueError("the points are too far away to be shown")
    steps = np.rint((near - low) / np.maximum(high - low, 1e-9) * (MISSING - 1)).clip(0, MISSING - 1)
    xyz = np.where(valid[..., None], steps, MISSING).astype(np.uint16)
    return ScenePoints(xyz, truth.part[chosen].astype(np.uint8), low, high)


def distance_curve(motion: AlignedMotion) -> list[float | None]:
    """Return, for each frame, the mean distance of the points that count (in all views) to the truth, cm; None where none has a prediction."""
    distance = np.linalg.norm(motion.pred.xyz - motion.truth.points, axis=-1)
    counted = motion.truth.mask & motion.pred.valid
    total, number = np.where(counted, distance, 0).sum(axis=(0, 2)), counted.sum(axis=(0, 2))
    means = [100 * float(d) / int(k) if k else None for d, k in zip(total, number, strict=True)]
    return [mean if mean is not None and math.isfinite(mean) else None for mean in means]


def describe_alignment(motion: AlignedMotion) -> str:
    """Return the pairing and alignment of a prediction in words, e.g. ``one scale 1.08 for all views; 97 % of the visible points predicted``."""
    alignment = motion.alignment
    scales = ", ".join(f"{scale:.3g}" for scale in alignment.scales)
    fitted = {
        "none": "not aligned (in metres)",
        "shared": f"one scale {alignment.scales[0]:.3g} for all views",
        "per_view": f"a scale for each view: {scales}",
        "scale_shift": f"a scale and a shift for each view; scales {scales}",
    }[alignment.kind]
    coverage = group_by_view(motion).coverage() or 0.0
    pairing = {"query": "", "anchor": "; nearest track in frame 0", "oracle-projection": "; read from point maps"}
    return f"{fitted}{pairing[motion.pairing]}; {100 * coverage:.3g} % of the visible points predicted"


def _read_stored_clip(board: Board, clip_id: str) -> Clip:
    """Read a clip from the newest run that has stored it."""
    for run in reversed(board.runs):
        root = (run.folder / "clips").resolve()
        folder = clip_folder(run.folder, clip_id)
        if (folder / CLIP_FILE).is_file() and folder.resolve().parent == root:
            return read_clip(folder)
    raise FileNotFoundError("the run does not store its clips: `hoibench score RUN` adds them")


def _without_points(row: BoardRow, error: Exception) -> PredictionScene:
    return PredictionScene(None, f"no points: {error_text(error, row.run.folder)}")
