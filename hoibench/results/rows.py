"""Rows: the primary artefact of a run, one value of one metric at one grain."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import Field, model_validator

from hoibench.store.records import Record


class Row(Record):
    """One row of ``results.parquet``; the columns are the fields.

    ``view``, ``pair``, ``frame`` and ``part`` are all None on a clip's headline row.  ``value`` is None exactly where ``status`` is not ``ok``.
    ``unit`` is the value's unit; ``clip_set_id`` says which clips of a split were scored, runs with different ones never rank together.
    ``weights``, ``coverage``, ``truth`` and ``details`` say what the number rests on; ``details`` are JSON values.
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
    truth: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"{self.metric} on {self.clip}: status {self.status} with value {self.value}")
        json.dumps(self.details, allow_nan=False)
        return self

    @property
    def headline(self) -> bool:
        """Whether this is the clip's own value, not a part of it."""
        return self.view is None and self.pair is None and self.frame is None and self.part is None

    def flat(self) -> dict[str, Any]:
        """The row as Parquet stores it: mappings as JSON text."""
        table = self.to_json()
        return table | {name: json.dumps(table[name], sort_keys=True) for name in ("weights", "details")}


COLUMNS = tuple(Row.model_fields)
