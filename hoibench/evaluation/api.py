"""``hoibench.score``: scoring from Python."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from hoibench.clip import Clip, Prediction
from hoibench.evaluation.codec import encode_truth, roundtrip
from hoibench.evaluation.measure import RowKey, score_case, to_row
from hoibench.evaluation.padding import trim_clip, trim_prediction
from hoibench.evaluation.request import anchors, build_request
from hoibench.methods.check import check_prediction
from hoibench.methods.spec import Spec
from hoibench.metric_card import Card, select_cards
from hoibench.metrics.case import Case, Pairing
from hoibench.metrics.measurement import Measurement, Status
from hoibench.predictions import decode_prediction
from hoibench.results.result_row import ResultRow

ANCHOR_PIXELS = 0.01
"""How far an anchor may lie from the clip's own and still be taken for it: rounding, and nothing else."""


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

        rows = hoibench.score(prediction, clip, ["rpe", "chamfer"])
        {row.metric: row.value for row in rows if row.is_headline}

    Args:
        prediction: camera-space tracks, video, or both.  Frames in memory go through the codec first, as a run's do.
        clip: the clip with its truth; its video goes through the codec too.
        metrics: metric ids (with or without version) and presets.
        pairing: how points are paired; by default ``query`` if the prediction's anchors are the clip's own, each within 0.01 px, in order,
            ``oracle-projection`` if there are only point maps, else ``anchor``.
        device: torch device for networks.
        weights: folder with weight files.
        name: what the rows call the method.

    Returns:
        Rows; a metric without a value has rows that say why.

    Raises:
        UnknownName: no such metric; gives the nearest names.
        ValueError: a video cannot be decoded, or the prediction does not lie on the clip's grid; names the field and both shapes.
    """
    cards = select_cards([metrics] if isinstance(metrics, str) else metrics)
    whole = decode_prediction(prediction)
    if pairing is not None and pairing not in get_args(Pairing):
        raise ValueError(f"pairing is {pairing!r}, expected one of {', '.join(get_args(Pairing))}")
    pairing = pairing or _pairing(whole, clip)
    check_prediction(whole, build_request(clip, Spec(id="prediction", outputs=("tracks",), pairing=pairing), seed=0))
    if isinstance(prediction.video, np.ndarray) and any("video" in card.needs for card in cards):
        whole = replace(whole, video=roundtrip(prediction.video, clip.fps))
    scored = trim_clip(encode_truth(clip))
    case = Case(trim_prediction(whole, scored.frames), scored, pairing, device, weights)
    return [row for _, rows in score_case(case, cards, _key(name, clip.id, clip.truth, device)) for row in rows]


def rows_without_value(cards: Iterable[Card], clip: str, name: str, status: Status, reason: str) -> list[ResultRow]:
    """The rows of a clip that could not be scored: one a metric and region, each with the reason."""
    key = _key(name, clip)
    return [to_row(Measurement(None, status, reason, region=r), card, key) for card in cards for r in card.regions]


def _key(name: str, clip: str, truth: str | None = None, device: str = "cpu") -> RowKey:
    return RowKey(method=name, clip=clip, split="", clip_set_id="", seed=0, truth=truth, device=device)


def _pairing(prediction: Prediction, clip: Clip) -> Pairing:
    if prediction.tracks is None:
        return "oracle-projection"
    if prediction.anchors is None or clip.tracks is None or clip.cameras is None:
        return "anchor"
    own = anchors(clip)
    same = prediction.anchors.shape == own.shape and np.abs(prediction.anchors - own).max(initial=0) <= ANCHOR_PIXELS
    return "query" if same else "anchor"
