"""The recorded self-test of metrics: the scores of each metric on the truth and on known corruptions of it (self_test.json).

``python -m hoibench.evaluation.self_test`` measures and writes the file; reading it needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from hoibench.metric_card import Card
from hoibench.store.records import Record
from hoibench.text import count

PATH = Path(__file__).with_name("self_test.json")

Outcome = Literal["rewards", "blind", "sees", "undefined"]
"""The outcome of a corruption: the cost (the ranked quantity, lower is better) is lower than the truth's, the same, higher, or not defined."""

SHARE_SLACK = 0.02
"""A cost that differs from another by at most this share of it is the same."""
RATIO_SLACK = 0.1
"""The same for a ratio to the truth, a logarithm: numbers of matches are small, and change with the codec."""
PIXEL_SLACK = 0.2
"""The same for pixels: a median over the few matches of a blurred foreground."""
LEAST_SLACK = 1e-4
"""A smaller difference never counts: rounding of stored predictions leaves that much of zero, in metres, percent or other units."""

_WORDS = {"rewards": "rewards", "blind": "blind to", "sees": "sees", "undefined": "undefined for"}


class ClipValues(Record):
    """The values of one metric in one region on each clip.

    Attributes:
        values: the metric's values; None without one.
        costs: the ranked quantities, lower is better; None for a metric that is never ranked, and without a value.
    """

    values: tuple[float | None, ...]
    costs: tuple[float | None, ...]


class CorruptionOutcome(ClipValues):
    """The values under one corruption, and what they say.

    Attributes:
        outcome: what the metric says of the corruption.
        greyed_by: companions whose rule the corruption breaks, so that the value is shown but not ranked.
    """

    outcome: Outcome
    greyed_by: tuple[str, ...] = ()


class RegionOutcomes(Record):
    """The outcomes of one metric in one region: on the truth, and by corruption on the corrupted truth."""

    truth: ClipValues
    corruptions: dict[str, CorruptionOutcome]


class MetricOutcomes(Record):
    """The outcomes of one metric.

    Attributes:
        regions: the outcomes by region; empty if the metric was not measured.
        weights: sha256 of the weight files, by id.
        not_measured: why the metric was not measured, or None.
    """

    regions: dict[Literal["full", "fg"], RegionOutcomes] = Field(default_factory=dict)
    weights: dict[str, str] = Field(default_factory=dict)
    not_measured: str | None = None


class SelfTest(Record):
    """The contents of self_test.json.

    Attributes:
        truth: version of the clips' content.
        split, clips: the clips that were corrupted.
        corruptions: what each corruption changes, by name.
        metrics: the outcomes by metric id.
    """

    SCHEMA: ClassVar[str] = "hoibench/self-test@1"

    truth: str
    split: str
    clips: tuple[str, ...]
    corruptions: dict[str, str]
    metrics: dict[str, MetricOutcomes]


@lru_cache(maxsize=1)
def read_self_test() -> SelfTest:
    """Read the recorded self-test of the installed metrics."""
    return SelfTest.read(PATH)


def cost_slack(card: Card, cost: float, share: float = SHARE_SLACK) -> float:
    """Return the difference from ``cost`` up to which another cost of the metric counts as the same, at least ``share`` of it in most units."""
    slack = {"ratio": RATIO_SLACK}.get(card.direction) or {"px": PIXEL_SLACK}.get(card.unit) or share * abs(cost)
    return max(LEAST_SLACK, slack)


def judge(card: Card, scores: ClipValues, truth: ClipValues) -> Outcome:
    """Compare a metric's mean cost under a corruption with that of the truth, over the clips on which both have one.

    A metric without a direction has no cost: it sees a corruption that changes its values, by the mean absolute difference.
    """
    if card.direction == "none":
        both = _both(scores.values, truth.values)
        differences = [abs(value - true) for value, true in both]
    else:
        both = _both(scores.costs, truth.costs)
        differences = [cost - true for cost, true in both]
    if not both:
        return "undefined"
    difference = sum(differences) / len(both)
    if abs(difference) <= cost_slack(card, sum(true for _, true in both) / len(both)):
        return "blind"
    return "sees" if difference > 0 else "rewards"


def _both(numbers: Sequence[float | None], truth: Sequence[float | None]) -> list[tuple[float, float]]:
    """Return the pairs of which neither is None."""
    pairs = zip(numbers, truth, strict=True)
    return [(number, true) for number, true in pairs if number is not None and true is not None]


def corruptions_by_outcome(scores: RegionOutcomes) -> dict[Outcome, list[str]]:
    """Return the names of the corruptions of each outcome; ``(greyed)`` follows those that break a companion's rule."""
    found: dict[Outcome, list[str]] = {outcome: [] for outcome in ("rewards", "blind", "sees", "undefined")}
    for name, score in scores.corruptions.items():
        found[score.outcome].append(f"{name} (greyed)" if score.greyed_by and score.outcome != "sees" else name)
    return found


def describe_self_test(metric: str) -> str:
    """Return a metric's recorded self-test in words, for its card; empty for a metric that has no record, as one of a plug-in.

    Example: ``On 2 clips of synthetic@2: rewards blur; blind to frozen (greyed); sees noise.``
    """
    record = read_self_test()
    scores = record.metrics.get(metric)
    if scores is None:
        return ""
    if scores.not_measured:
        return f"Not measured, {scores.not_measured}."
    start = f"On {count(len(record.clips), 'clip')} of {record.truth}: "
    if len(scores.regions) == 1:
        return f"{start}{_describe(*scores.regions.values())}."
    return start + ". ".join(f"{region}: {_describe(one)}" for region, one in scores.regions.items()) + "."


def describe_rewards(metric: str) -> str:
    """Return the corruptions that a metric rewards, as a known failure for its card; empty if there are none, or no record.

    Example: ``In the self-test, it rewards frozen (greyed) in full, blur in full and fg.``
    """
    scores = read_self_test().metrics.get(metric, MetricOutcomes())
    regions: dict[str, list[str]] = {}
    for region, one in scores.regions.items():
        for name in corruptions_by_outcome(one)["rewards"]:
            regions.setdefault(name, []).append(region)
    several = len(scores.regions) > 1
    names = [f"{name} in {' and '.join(found)}" if several else name for name, found in regions.items()]
    return f"In the self-test, it rewards {', '.join(names)}." if names else ""


def list_self_test(metrics: Iterable[str]) -> list[dict[str, str]]:
    """Return the recorded self-test of some metrics as a table: a row for each metric and region, a column for each corruption.

    A cell is an ``Outcome``, in parentheses if a companion's rule greys the value; empty if the corruption changes no input of the metric.
    """
    record, rows = read_self_test(), []
    for metric in metrics:
        regions = record.metrics[metric].regions if metric in record.metrics else {}
        for region, scores in regions.items():
            cells = {name: _cell(scores.corruptions.get(name)) for name in record.corruptions}
            rows.append({"metric": metric, "region": region, **cells})
        if not regions:
            rows.append({"metric": metric, "region": "not measured", **dict.fromkeys(record.corruptions, "")})
    return rows


def _cell(found: CorruptionOutcome | None) -> str:
    if found is None:
        return ""
    return f"({found.outcome})" if found.greyed_by else found.outcome


def _describe(scores: RegionOutcomes) -> str:
    found = corruptions_by_outcome(scores)
    return "; ".join(f"{_WORDS[outcome]} {', '.join(names)}" for outcome, names in found.items() if names)
