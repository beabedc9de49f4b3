"""``hoibench.score``: scoring from Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from hoibench.clip import Clip, Pairing, Prediction
from hoibench.evaluation.measure import RowKey, score_case, to_row
from hoibench.evaluation.request import build_request, project_anchors
from hoibench.evaluation.scored_clip import encode_truth, roundtrip, trim_clip
from hoibench.methods.check import check_prediction
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card, select_cards
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import Measurement, Status
from hoibench.predictions import decode_prediction, trim_prediction
from hoibench.results.result_row import ResultRow

ANCHOR_TOLERANCE = 0.01
"""Largest distance in pixels at which an anchor counts as the clip's own anchor: rounding only."""


def score(
    prediction: Prediction,
    clip: Clip,
    metrics: str | Iterable[str] = "offline",
    *,
    pairing: Pairing | None = None,
    device: str = "cpu",
    weights: Path | None = None,
    name: str = "prediction",
) -> list[ResultRow]:
    """Score one prediction against one clip.

    Args:
        prediction: camera-space tracks, point maps or video.  A video in memory is encoded and decoded first, as in a run.
        clip: the clip with its truth; the true video is encoded and decoded too.
        metrics: metric ids (with or without version) and metric sets (paper, headline, offline, interaction, all).
        pairing: how points are paired.  Default: ``query`` if the prediction's anchors are the clip's own, each within 0.01 px, in order;
            ``oracle-projection`` if it has no tracks; else ``anchor``.
        device: torch device of the metrics' networks.
        weights: a folder with weight files.
        name: the method's name in the rows.

    Returns:
        Rows; a metric without a value has rows with the reason.

    Raises:
        UnknownName: there is no such metric; the message gives the nearest names.
        ValueError: a video cannot be decoded, or the prediction does not fit the clip; the message names the field and both shapes.

    Example:
        >>> import numpy as np
        >>> import hoibench
        >>> from hoibench.clip import Camera, Clip, Prediction, Tracks, View
        >>> K = np.array([[60.0, 0.0, 24.0], [0.0, 60.0, 16.0], [0.0, 0.0, 1.0]])
        >>> camera = Camera(K, R=np.eye(3), t=np.array([0.0, 0.0, 1.0]), size=(32, 48))
        >>> world = np.random.default_rng(0).uniform(-0.1, 0.1, (6, 20, 3)).astype(np.float32)  # frames, points, xyz
        >>> truth = Tracks(world, visible=np.ones((1, 6, 20), bool), part=np.zeros(20, np.uint8))
        >>> views = (View("front", None, camera, None),)
        >>> clip = Clip("clip", None, "stir", views, (), 8.0, 6, (32, 48), tracks=truth)
        >>> points = (world + camera.t).astype(np.float32)[None]  # the camera's coordinates
        >>> pixels = (points[:, 0] @ K.T.astype(np.float32))[..., :2] / points[:, 0, :, 2:]
        >>> prediction = Prediction(tracks=points, anchors=pixels)
        >>> rows = hoibench.score(prediction, clip, ["rpe", "chamfer"])
        >>> {row.metric: round(row.value, 3) for row in rows if row.is_headline}
        {'rpe@2': 0.0, 'chamfer@2': 0.0}
    """
    cards = select_cards([metrics] if isinstance(metrics, str) else metrics)
    decoded = decode_prediction(prediction)
    if pairing is not None and pairing not in get_args(Pairing):
        raise ValueError(f"pairing is {pairing!r}, expected one of {', '.join(get_args(Pairing))}")
    pairing = pairing or _choose_pairing(decoded, clip)
    check_prediction(decoded, build_request(clip, Spec(id="prediction", outputs=("tracks",), pairing=pairing), seed=0))
    if isinstance(prediction.video, np.ndarray) and any("video" in card.needs for card in cards):
        decoded = replace(decoded, video=roundtrip(prediction.video, clip.fps))
    scored = trim_clip(encode_truth(clip))
    case = Case(trim_prediction(decoded, scored.frames), scored, pairing, device, weights)
    return [row for _, rows in score_case(case, cards, _row_key(name, clip.id, clip.truth, device)) for row in rows]


def rows_without_value(cards: Iterable[Card], clip: str, name: str, status: Status, reason: str) -> list[ResultRow]:
    """Return the rows of a clip that could not be scored: one for each metric and region, with the reason."""
    key = _row_key(name, clip)
    return [to_row(Measurement(None, status, reason, region=r), card, key) for card in cards for r in card.regions]


def _row_key(name: str, clip: str, truth: str | None = None, device: str = "cpu") -> RowKey:
    return RowKey(method=name, clip=clip, split="", clip_set_id="", seed=0, truth=truth, device=device)


def _choose_pairing(prediction: Prediction, clip: Clip) -> Pairing:
    if prediction.tracks is None:
        return "oracle-projection"
    if prediction.anchors is None or clip.tracks is None or clip.cameras is None:
        return "anchor"
    own = project_anchors(clip)
    is_same = (
        prediction.anchors.shape == own.shape and np.abs(prediction.anchors - own).max(initial=0) <= ANCHOR_TOLERANCE
    )
    return "query" if is_same else "anchor"
