"""Result rows, the primary output of a run: each has one value of one metric."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import Field, model_validator

from hoibench.store.records import Record


class ResultRow(Record):
    """One row of ``results.parquet``: one value of one metric on one prediction; the fields are the columns.

    Attributes:
        method, preset, clip, split, seed: the scored prediction: its method and preset, clip, the clip's split, and seed.
        clip_set_id: id of the set of clips that the run scored; runs with different sets are compared on their shared clips only.
        metric, region: the metric's id, with version, and ``full`` or ``fg``.
        part, view, pair, frame: the hand or object, view, pair of views or frame that the value is for; all None for the clip's headline value.
        value: the value; None if and only if ``status`` is not ``ok``.
        status, reason: ``ok``, or why there is no value.
        unit: the value's unit.
        n_scored, n_expected: number of items (frames, pairs of frames or views) in the mean, and the number if none were missing.
        pairing, alignment, scale: how points were paired with true points, the kind of fitted scale, and the factor.
        weights: sha256 of the metric's weight files, by id.
        precision: the numeric precision of the method's network, ``fp32`` or ``bf16``.
        device: the torch device of the metrics' networks.
        coverage: share of the true points that have a prediction, 0 to 1.
        cap: the score of a prediction without an answer on this clip, in the value's unit; None if it is not known.
        truth: the origin of the truth, e.g. ``proxy-hand``.
        prediction: digest of the outputs that the metric reads (video, points); equal for seeds with the same outputs. None without a prediction.
        details: further numbers that explain the value, JSON-serialisable.
    """

    method: str
    preset: str | None
    clip: str
    split: str
    clip_set_id: str
    seed: int
    metric: str
    region: str
    part: str | None
    view: str | None
    pair: str | None
    frame: int | None
    value: float | None
    status: str
    reason: str | None
    unit: str
    n_scored: int | None
    n_expected: int | None
    pairing: str | None
    alignment: str | None
    scale: float | None
    weights: dict[str, str] = Field(default_factory=dict)
    precision: str = "fp32"
    device: str = "cpu"
    coverage: float | None = None
    cap: float | None = None
    truth: str | None = None
    prediction: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"{self.metric} on {self.clip}: status {self.status} with value {self.value}")
        json.dumps(self.details, allow_nan=False)
        return self

    @property
    def is_headline(self) -> bool:
        """True if this is the value of the whole clip, not of a part, view, pair or frame."""
        return self.view is None and self.pair is None and self.frame is None and self.part is None

    def to_parquet(self) -> dict[str, Any]:
        """Return the row as a mapping from column to value for Parquet: ``weights`` and ``details`` are JSON text."""
        table = self.to_json()
        return table | {name: json.dumps(table[name], sort_keys=True) for name in ("weights", "details")}


COLUMNS = tuple(ResultRow.model_fields)
