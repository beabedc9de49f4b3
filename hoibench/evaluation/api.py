"""``hoibench.score``: scoring from Python."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from hoibench.clip import Clip, Prediction
from hoibench.evaluation.score import RowKey, score_case
from hoibench.methods.predictions import decoded
from hoibench.metrics.card import select_cards
from hoibench.metrics.case import Case, Pairing
from hoibench.results.rows import Row


def score(
    prediction: Prediction,
    clip: Clip,
    metrics: str | Iterable[str] = "offline",
    *,
    pairing: Pairing | None = None,
    device: str = "cpu",
    weights: Path | None = None,
    name: str = "prediction",
) -> list[Row]:
    """Score one prediction against one clip.

        rows = hoibench.score(prediction, clip, ["rpe", "chamfer"])
        {row.metric: row.value for row in rows if row.headline}

    Args:
        prediction: camera-space tracks, video, or both.
        clip: the clip with its truth.
        metrics: metric ids (with or without version) and presets.
        pairing: how points are paired; by default ``query`` if there are as many tracks as true points, ``oracle-projection`` if there are
            only point maps, else ``anchor``.
        device: torch device for networks.
        weights: folder with weight files.
        name: what the rows call the method.

    Returns:
        Rows; a metric without a value has rows that say why.

    Raises:
        UnknownName: no such metric; gives the nearest names.
        ValueError: a video cannot be decoded, or the prediction does not fit the clip.
    """
    cards = select_cards([metrics] if isinstance(metrics, str) else metrics)
    whole = decoded(prediction)
    case = Case(whole, clip, pairing or _pairing(whole, clip), device, weights)
    key = RowKey(method=name, clip=clip.id, split="", clips_id="", seed=0, truth=clip.truth)
    return [row for _, rows in score_case(case, cards, key) for row in rows]


def _pairing(prediction: Prediction, clip: Clip) -> Pairing:
    if prediction.tracks is None:
        return "oracle-projection"
    same = clip.tracks is not None and prediction.tracks.shape[2] == clip.tracks.world.shape[1]
    return "query" if same else "anchor"
