"""Companions: rules on a second metric that a method must keep for its value in a column to be ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hoibench.clip import Array
from hoibench.metric_card import Card, Companion
from hoibench.reference_rows import GROUND_TRUTH
from hoibench.results.clip_scores import ClipScores


@dataclass(frozen=True, eq=False)
class CompanionScores:
    """A rule on a companion metric, with the companion's results on the board.

    Attributes:
        rule: the rule.
        card: the companion's card; None if the board has no column of it.
        scores: the companion's scores; None if the board has no column of it.
    """

    rule: Companion
    card: Card | None = None
    scores: ClipScores | None = None

    @property
    def name(self) -> str:
        """The companion's title, or its id if the board has no column of it."""
        return self.rule.metric if self.card is None else self.card.title


def why_withheld(companion: CompanionScores, row: int) -> str | None:
    """Return the reason to withhold a row's values: a required companion has no value in the row; else None."""
    has_value = companion.scores is not None and companion.scores.has_own_value[row].any()
    if not companion.rule.required or has_value:
        return None
    return f"shown only with {companion.name}, which this row lacks: {companion.rule.why}"


def why_grey(companion: CompanionScores, row: int, reference_index: Mapping[str, int]) -> str | None:
    """Return the reason to grey a row, because it breaks a companion's rule, or None.

    Only answered clips count. The row is compared with a reference row on the clips that both have.

    Args:
        companion: the rule and the companion's scores.
        row: the row's index.
        reference_index: row index of each reference row by method id.
    """
    rule, scores, name = companion.rule, companion.scores, companion.name
    if scores is None or not scores.has_own_value.any():
        return None
    mean = _mean(scores.own_value[row], scores.has_own_value[row])
    if mean is None:
        reason: str | None = f"has no {name}"
    elif rule.at_least is not None and mean < rule.at_least:
        reason = f"{name} {mean:.6g} is under {rule.at_least:g}"
    elif rule.at_most is not None and mean > rule.at_most:
        reason = f"{name} {mean:.6g} is over {rule.at_most:g}"
    else:
        reason = _compare_with_truth(companion, row, reference_index.get(GROUND_TRUTH))
        reason = reason or _compare_with_reference(companion, row, reference_index)
    return f"{reason}: {rule.why}" if reason else None


def _compare_with_truth(companion: CompanionScores, row: int, truth_row: int | None) -> str | None:
    scores, ends = companion.scores, companion.rule.ratio_to_truth
    if scores is None or ends is None or truth_row is None or not scores.has_own_value[truth_row].any():
        return None
    both = scores.has_own_value[row] & scores.has_own_value[truth_row]
    value, truth = (_mean(scores.own_value[m], both) for m in (row, truth_row))
    if value is None or truth is None:
        return f"has {companion.name} on no clip of the truth's"
    low, high = ends
    if low * truth <= value and (high is None or value <= high * truth):
        return None
    allowed = f"at least {low:g}" if high is None else f"{low:g} to {high:g}"
    return f"{companion.name} is {value:.6g}, the truth's {truth:.6g}; allowed is {allowed} times the truth's"


def _compare_with_reference(companion: CompanionScores, row: int, reference_index: Mapping[str, int]) -> str | None:
    scores, reference = companion.scores, companion.rule.not_worse_than
    if scores is None or reference is None:
        return None
    reference_row = reference_index.get(reference)
    if reference_row is None or not scores.has_own_cost[reference_row].any():
        return f"no {reference} row with {companion.name} to compare with"
    both = scores.has_own_cost[row] & scores.has_own_cost[reference_row]
    if not both.any():
        return f"no clip on which both it and {reference} have {companion.name}"
    if scores.own_cost[row][both].mean() > scores.own_cost[reference_row][both].mean():
        return f"{companion.name} is worse than that of {reference}"
    return None


def _mean(values: Array, mask: Array) -> float | None:
    return float(np.mean(values[mask])) if mask.any() else None
