"""Measurements: one value of one metric, of a clip or of a view, pair of views or part in it, or the reason why there is no value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "failed", "error", "unavailable", "not_applicable", "undefined"]


@dataclass(frozen=True)
class Measurement:
    """One value of one metric on one clip, or the reason why there is no value.

    The clip's headline, its overall value, has ``view``, ``pair``, ``frame`` and ``part`` all None; the other measurements break it down.

    Attributes:
        value: a finite number, or None if ``status`` is not ``ok``.
        status: ``ok``; ``failed`` (the prediction cannot be scored); ``error`` (the metric crashed); ``unavailable`` (weights are missing);
            ``not_applicable`` (the method or the data set does not provide the input); ``undefined`` (the definition gives no value here).
        reason: why there is no value, shown on the leaderboard page.
        region: ``full`` (the full frame) or ``fg`` (the foreground: hands and objects).
        part: name of the hand or object, see ``hoibench.clip.PARTS``.
        view: the view's id.
        pair: the ids of two views, ``i|j``.
        frame: the frame's index.
        n_scored, n_expected: number of items (frames, pairs of frames or views) in the mean, and the number if none were missing.
        pairing, alignment, scale: how predicted points were paired with true ones, the kind of fitted scale, and the factor; None for video metrics.
        coverage: share of the counted true points that have a valid prediction, 0 to 1.
        weights: sha256 of each weight file used, by weight id.
        cap: the score of a prediction without an answer on this clip, in the value's unit; None if the metric's card has it as a number.
        details: further numbers that explain the value, JSON-serialisable.  A ``ratio`` metric is ranked by ``details["ratio"]``, a
            ``truth_distance`` metric by the distance from ``details["truth"]``.
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
    cap: float | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.status == "ok" and (self.value is None or not math.isfinite(self.value)):
            raise ValueError(f"a measurement with status ok has value {self.value}, expected a finite number")
        if self.status != "ok" and (self.value is not None or not self.reason):
            raise ValueError(f"a measurement with status {self.status} needs a reason and no value")


class NoValue(Exception):
    """Raised by a metric that has no value on a clip; scoring turns it into result rows with this ``status`` and ``reason``."""

    status: Status = "error"

    @property
    def reason(self) -> str:
        """The reason why there is no value: the exception's message."""
        return str(self)


class Failed(NoValue):
    """Raised if the prediction cannot be scored, e.g. because its fitted scale is negative: a failure of the method."""

    status: Status = "failed"


class Unavailable(NoValue):
    """Raised if weights or a library that the metric needs are missing; the reason contains the command that installs them."""

    status: Status = "unavailable"


class NotApplicable(NoValue):
    """Raised if the method or the data set does not provide an input of the metric (no tracks, no cameras, frames too small)."""

    status: Status = "not_applicable"


MISSING_INPUT = {
    "video": "the method gives no video",
    "tracks": "the method gives no point tracks",
    "cameras": "the data set has no cameras",
    "truth.video": "the data set has no true video",
    "truth.tracks": "the data set has no true tracks",
    "truth.masks": "the data set has no true masks",
    "truth.objects": "the data set has no shapes of the true objects; if it was prepared without them, run `hoibench data prepare` again",
}
"""Reasons why a metric does not apply, by the missing input as in the ``needs`` of a metric card."""


class Undefined(NoValue):
    """Raised if the metric's definition gives no value on this clip, e.g. a ratio whose divisor is too small."""

    status: Status = "undefined"
