"""Measurements: one value of one metric with its view, pair or part, or the reason why there is no value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "error", "unavailable", "not_applicable", "undefined"]


@dataclass(frozen=True)
class Measurement:
    """One value of one metric on one clip.

    The clip's headline has ``view``, ``pair``, ``frame`` and ``part`` all None; the other measurements break it down.

    Attributes:
        value: a finite number, or None if ``status`` is not ``ok``.
        status: ``ok``; ``failed`` (the prediction cannot be scored); ``error`` (the metric crashed); ``unavailable`` (weights are missing);
            ``not_applicable`` (the method or the data set does not provide the input); ``undefined`` (the definition gives no value here).
        reason: why there is no value, shown on the page.
        region: ``full`` frame or ``fg`` foreground.
        view: the view's id.
        pair: the ids of two views, joined by a bar.
        n_scored, n_expected: sets (frames, pairs, ...) in the mean, and the number of sets there could be.
        pairing, alignment, scale: how predicted points were paired and scaled; None for video metrics.
        coverage: share of the scored true points that have a valid prediction.
        weights: sha256 of each weight file used, by weight id.
        details: further numbers that explain the value, JSON-serialisable.  A ``ratio`` metric is ranked by ``details["ratio"]``.
    """

    value: float | None
    status: Status = "ok"
    reason: str | None = None
    region: str = "full"
    part: str | None = None
    view: str | None = None
    pair: str | None = None
    frame: int | None = None
    n_scored: int | None = None
    n_expected: int | None = None
    pairing: str | None = None
    alignment: str | None = None
    scale: float | None = None
    coverage: float | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status == "ok" and (self.value is None or not math.isfinite(self.value)):
            raise ValueError(f"a measurement with status ok has value {self.value}, expected a finite number")
        if self.status != "ok" and (self.value is not None or not self.reason):
            raise ValueError(f"a measurement with status {self.status} needs a reason and no value")


class NoValue(Exception):
    """Raised by a metric that has no value for a sample; the runner turns it into rows with ``status`` and ``reason``."""

    status: Status = "error"

    @property
    def reason(self) -> str:
        """Why there is no value."""
        return str(self)


class Failed(NoValue):
    """The prediction cannot be scored, e.g. its fitted scale is negative: counts against the method."""

    status: Status = "failed"


class Unavailable(NoValue):
    """Weights or a library are missing; the reason contains the command that installs them."""

    status: Status = "unavailable"


class NotApplicable(NoValue):
    """The method or the data set does not provide the input (no tracks, no cameras, frames too small)."""

    status: Status = "not_applicable"


NO_CAMERAS = "the data set has no cameras"
NO_TRUE_TRACKS = "the data set has no true tracks"
NO_TRUE_VIDEO = "the data set has no true video"
"""Reasons why a metric does not apply, worded alike wherever they are found."""


class Undefined(NoValue):
    """The definition gives no value on this clip, e.g. a ratio whose divisor is too small."""

    status: Status = "undefined"
