"""Rows of every metric for one prediction of one clip."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hoibench.clip import Clip, Prediction
from hoibench.metric_card import Card
from hoibench.metrics.case import Case
from hoibench.metrics.measurement import MISSING_INPUT, Measurement, NotApplicable, NoValue
from hoibench.results.result_row import ResultRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowKey:
    """The columns that all rows of one unit share."""

    method: str
    clip: str
    split: str
    clip_set_id: str
    seed: int
    preset: str | None = None
    precision: str = "fp32"
    truth: str | None = None
    device: str = "cpu"
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Digests of the prediction's outputs by name, from ``output_digests``."""


def score_case(case: Case, cards: Iterable[Card], key: RowKey) -> Iterator[tuple[Card, list[ResultRow]]]:
    """Measure one prediction of one clip (the case) by every metric, and yield each metric's card with its result rows.

    A metric without a value gives rows with the reason; one that raises gives rows with status ``error``, and the error is logged.
    """
    for card in cards:
        yield card, [to_row(m, card, key) for m in measure(case, card)]


def measure(case: Case, card: Card) -> Sequence[Measurement]:
    """Return a metric's measurements; without a value for a region, or for all, one with the reason for each of these.

    So every prediction has rows of the same metrics and regions, whether it can be scored or not.

    Raises:
        OSError, MemoryError: a fault of the machine, not of the metric.
    """
    try:
        check_needs(card, case.prediction, case.clip)
        found = list(card.load()(case))
        left = [region for region in card.regions if all(m.region != region for m in found)]
        masks = MISSING_INPUT["truth.masks"]
        return [*found, *(Measurement(None, "not_applicable", masks, region=region) for region in left)]
    except NoValue as none:
        return [Measurement(None, none.status, none.reason, region=region) for region in card.regions]
    except (OSError, MemoryError):
        raise
    except Exception as error:
        log.exception("metric %s failed on clip %s", card.id, case.clip.id)
        reason = f"{type(error).__name__}: {error}"
        return [Measurement(None, "error", reason, region=region) for region in card.regions]


def check_needs(card: Card, prediction: Prediction, clip: Clip) -> None:
    """Check that the prediction and the clip have what the metric needs.

    Raises:
        NotApplicable: with the first need that is missing.
    """
    has_input: dict[str, bool] = {
        "video": prediction.video is not None,
        "tracks": prediction.tracks is not None or prediction.points is not None,
        "cameras": clip.cameras is not None,
        "truth.video": clip.load_video is not None,
        "truth.tracks": clip.tracks is not None,
        "truth.masks": clip.load_masks is not None,
        "truth.objects": clip.load_objects is not None,
    }
    for need in card.needs:
        if not has_input[need]:
            raise NotApplicable(MISSING_INPUT[need])


def to_row(measurement: Measurement, card: Card, key: RowKey) -> ResultRow:
    """Convert a measurement to a result row; a cap that the measurement lacks is that of the card, if it is a number."""
    cap = measurement.cap if measurement.cap is not None or isinstance(card.cap, str) else card.cap
    used = key.outputs.keys() & set(card.needs) or key.outputs.keys()
    return ResultRow(
        method=key.method,
        preset=key.preset,
        clip=key.clip,
        split=key.split,
        clip_set_id=key.clip_set_id,
        seed=key.seed,
        metric=card.id,
        region=measurement.region,
        part=measurement.part,
        view=measurement.view,
        pair=measurement.pair,
        frame=measurement.frame,
        value=None if measurement.value is None else float(measurement.value),
        status=measurement.status,
        reason=measurement.reason,
        unit=card.unit,
        n_scored=_to_int(measurement.n_scored),
        n_expected=_to_int(measurement.n_expected),
        pairing=measurement.pairing,
        alignment=measurement.alignment,
        scale=None if measurement.scale is None else float(measurement.scale),
        weights=dict(measurement.weights),
        precision=key.precision,
        device=key.device,
        coverage=None if measurement.coverage is None else float(measurement.coverage),
        cap=None if cap is None else float(cap),
        truth=key.truth,
        prediction="+".join(digest for name, digest in key.outputs.items() if name in used) or None,
        details=_to_json(measurement.details),
    )


def _to_int(value: Any) -> int | None:
    return None if value is None else int(value)


def _to_json(value: Any) -> Any:
    """Convert NumPy scalars and arrays to JSON values."""
    if isinstance(value, dict) or hasattr(value, "items"):
        return {str(k): _to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_json(v) for v in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return value
