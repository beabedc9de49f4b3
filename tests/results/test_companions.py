"""Rules on companion metrics, one by one, on handmade scores."""

from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import ValidationError

from hoibench.metric_card import Companion
from hoibench.results.companions import CompanionScores, why_grey, why_withheld

TRUTH, FROZEN, OURS = 0, 1, 2
REFERENCES = {"ground_truth": TRUTH, "frozen": FROZEN}


def companion(values, present=None, **rule):
    values = np.asarray(values, float)
    present = np.ones(values.shape, bool) if present is None else np.asarray(present, bool)
    scores = SimpleNamespace(own_value=values, has_own_value=present, own_cost=values, has_own_cost=present)
    return CompanionScores(Companion(metric="c@2", why="it misleads", **rule), SimpleNamespace(title="C"), scores)


def grey(values, present=None, references=REFERENCES, **rule):
    return why_grey(companion(values, present, **rule), OURS, references)


def test_a_row_within_the_allowed_values_is_not_grey():
    values = [[9, 9], [9, 9], [0.4, 0.6]]
    assert grey(values, at_least=0.5) is None and grey(values, at_most=0.5) is None
    assert grey(values, at_least=0.51) == "C 0.5 is under 0.51: it misleads"
    assert grey(values, at_most=0.49) == "C 0.5 is over 0.49: it misleads"
    assert grey([[9, 9], [9, 9], [0.4997, 0.4997]], at_least=0.5) == "C 0.4997 is under 0.5: it misleads"


@pytest.mark.parametrize(("value", "is_grey"), [(0.99, True), (1.0, False), (4.0, False), (4.01, True)])
def test_a_row_is_compared_with_the_truth(value, is_grey):
    reason = grey([[2, 2], [0, 0], [value, value]], ratio_to_truth=(0.5, 2.0))
    assert (reason is not None) == is_grey
    if is_grey:
        assert reason == f"C is {value:.3g}, the truth's 2; allowed is 0.5 to 2 times the truth's: it misleads"


def test_a_ratio_to_the_truth_may_be_unbounded_and_the_truth_may_be_zero():
    assert grey([[2, 2], [0, 0], [99, 99]], ratio_to_truth=(0.5, None)) is None
    assert grey([[0, 0], [0, 0], [0, 0]], ratio_to_truth=(0.5, 2.0)) is None
    assert grey([[0, 0], [0, 0], [1, 1]], ratio_to_truth=(0.5, 2.0)) is not None


def test_only_clips_that_both_have_are_compared():
    present = [[1, 1, 0], [1, 1, 1], [1, 1, 1]]
    assert grey([[1, 1, 0], [0, 0, 0], [1, 1, 90]], present, ratio_to_truth=(0.5, 2.0)) is None
    values, present = [[0, 0, 0], [2, 2, 2], [1, 1, 9]], [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
    assert grey(values, present, not_worse_than="frozen") is None


def test_a_row_as_bad_as_the_reference_row_is_not_worse():
    assert grey([[0, 0], [2, 2], [2, 2]], not_worse_than="frozen") is None
    assert grey([[0, 0], [2, 2], [2, 3]], not_worse_than="frozen") == "C is worse than that of frozen: it misleads"


def test_without_the_reference_row_a_rule_against_it_is_broken_and_one_against_the_truth_is_kept():
    values = [[0, 0], [2, 2], [1, 1]]
    assert "no frozen row with C" in grey(values, references={}, not_worse_than="frozen")
    assert grey(values, references={}, ratio_to_truth=(0.5, 2.0)) is None


def test_a_companion_that_no_row_has_greys_nothing_and_one_that_others_have_greys_the_row():
    assert grey(np.zeros((3, 2)), np.zeros((3, 2)), at_least=0.5) is None
    assert grey(np.ones((3, 2)), [[1, 1], [1, 1], [0, 0]], at_least=0.5) == "has no C: it misleads"
    assert why_grey(CompanionScores(Companion(metric="c@2", why="-", at_least=0.5)), OURS, {}) is None


def test_a_value_without_its_required_companion_is_withheld():
    present = [[1, 1], [1, 1], [0, 0]]
    assert why_withheld(companion(np.ones((3, 2)), present, required=True), FROZEN) is None
    assert "which this row lacks" in why_withheld(companion(np.ones((3, 2)), present, required=True), OURS)
    assert why_withheld(companion(np.ones((3, 2)), present, at_least=0.0), OURS) is None


def test_a_companion_without_a_rule_is_refused():
    with pytest.raises(ValidationError, match="needs at_least, at_most"):
        Companion(metric="c@2", why="it misleads")
