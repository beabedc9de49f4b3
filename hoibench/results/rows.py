"""Rows: the primary artefact of a run, one value of one metric at one grain."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

COLUMNS: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of ``results.parquet``; the columns are the fields.

    ``view``, ``pair``, ``frame`` and ``part`` are all None on a clip's headline row.  ``value`` is None exactly where ``status`` is not ``ok``.
    ``unit`` is the value's unit; ``clips_id`` says which clips of a split were scored, runs with different ones never rank together.
    ``weights``, ``coverage``, ``truth`` and ``details`` say what the number rests on.
    """

    method: str
    preset: str | None
    clip: str
    split: str
    clips_id: str
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
    weights: Mapping[str, str] = field(default_factory=dict)
    precision: str = "fp32"
    coverage: float | None = None
    truth: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) == (self.status == "ok"):
            raise ValueError(f"{self.metric} on {self.clip}: status {self.status} with value {self.value}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.metric} on {self.clip}: value {self.value} is not finite")

    @property
    def headline(self) -> bool:
        """Whether this is the clip's own value, not a part of it."""
        return self.view is None and self.pair is None and self.frame is None and self.part is None

    def to_json(self) -> dict[str, Any]:
        """A plain dict, strict JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Row:
        """A row from its dict.

        Raises:
            ValueError: keys are missing or unknown.
        """
        if set(table) != set(COLUMNS):
            odd = sorted(set(table) ^ set(COLUMNS))
            raise ValueError(f"a row has keys that do not fit: {', '.join(odd)}")
        return cls(**table)

    def flat(self) -> dict[str, Any]:
        """The row as Parquet stores it: mappings as JSON text."""
        table = asdict(self)
        table["weights"] = json.dumps(table["weights"], sort_keys=True, allow_nan=False)
        table["details"] = json.dumps(table["details"], sort_keys=True, allow_nan=False)
        return table


COLUMNS = tuple(f.name for f in fields(Row))
