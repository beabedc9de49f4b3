"""From rows to one number a clip: averages, stand-ins and what is left out."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from hoibench.results.scores import RATIO_CAP, gather

FROZEN, RANDOM, OURS = 0, 1, 2
EXEMPT = np.array([True, True, False])


def table(*rows):
    """Rows as (entrant, clip, value or status, ratio)."""
    plain = []
    for entrant, clip, outcome, *ratio in rows:
        number = not isinstance(outcome, str)
        plain.append(
            (
                entrant,
                clip,
                "ok" if number else outcome,
                outcome if number else pd.NA,
                json.dumps({"ratio": ratio[0]} if ratio else {}),
            )
        )
    frame = pd.DataFrame(plain, columns=["entrant", "clip_index", "status", "value", "details"])
    return frame.astype({"value": "Float64"})


def scores(direction, *rows, stand_ins=(FROZEN, RANDOM)):
    return gather(table(*rows), (3, 2), direction, stand_ins, EXEMPT)


REFERENCES = [(FROZEN, 0, 5.0), (RANDOM, 0, 9.0), (FROZEN, 1, 6.0), (RANDOM, 1, 1.0)]


def test_seeds_are_averaged_within_their_clip_first():
    found = scores("lower", *REFERENCES, (OURS, 0, 1.0), (OURS, 0, 2.0), (OURS, 0, 6.0), (OURS, 1, 7.0))
    assert found.value[OURS].tolist() == [3.0, 7.0] and found.seeds[OURS].tolist() == [3, 1]


@pytest.mark.parametrize(("direction", "worse"), [("lower", [9.0, 6.0]), ("higher", [5.0, 1.0])])
def test_a_failed_clip_takes_the_worse_of_frozen_and_random_on_that_clip(direction, worse):
    found = scores(direction, *REFERENCES, (OURS, 0, "failed"), (OURS, 1, "failed"))
    assert found.value[OURS].tolist() == worse and found.present[OURS].all() and not found.scored[OURS].any()


def test_a_failed_seed_counts_as_one_seed_and_is_left_out_of_the_clean_number():
    found = scores("lower", *REFERENCES, (OURS, 0, 1.0), (OURS, 0, "failed"))
    assert found.value[OURS, 0] == 5.0 and found.clean[OURS, 0] == 1.0 and found.badness[OURS, 0] == 5.0
    assert found.failed[OURS].tolist() == [True, False]


@pytest.mark.parametrize("status", ["undefined", "unavailable", "not_applicable", "error"])
def test_what_is_not_a_failure_is_left_out_and_never_zero(status):
    found = scores("lower", *REFERENCES, (OURS, 0, status), (OURS, 1, 3.0))
    assert (
        found.present[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0 and not found.failed[OURS].any()
    )


@pytest.mark.parametrize("stand_ins", [(), (FROZEN, RANDOM)])
def test_without_both_stand_ins_on_the_clip_failures_are_left_out_and_it_says_so(stand_ins):
    rows = [(FROZEN, 0, 5.0), (RANDOM, 0, "undefined"), (OURS, 0, "failed"), (OURS, 1, 3.0)]
    found = scores("lower", *rows, stand_ins=stand_ins)
    assert not found.stood_in[OURS] and found.present[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0


def test_reference_rows_take_no_stand_in_for_their_own_failures():
    found = scores("lower", (FROZEN, 0, "failed"), (RANDOM, 0, 9.0), (OURS, 0, 1.0))
    assert not found.present[FROZEN].any() and found.stood_in[FROZEN]


def test_a_failed_unit_does_not_put_a_method_on_metrics_that_it_never_has():
    found = scores("lower", *REFERENCES, (OURS, 0, "failed"), (OURS, 1, "not_applicable"))
    assert not found.present[OURS].any() and not found.failed[OURS].any()


def test_a_ratio_metric_ranks_by_the_distance_of_its_logarithm_from_zero():
    found = scores("ratio", (FROZEN, 0, 0.0, 0.0), (RANDOM, 0, 8.0, 8.0), (OURS, 0, 0.5, 0.5), (OURS, 1, 2.0, 2.0))
    assert found.badness[OURS].tolist() == pytest.approx([math.log(2)] * 2) and found.value[OURS].tolist() == [0.5, 2.0]
    assert found.badness[FROZEN, 0] == RATIO_CAP and found.badness[RANDOM, 0] == pytest.approx(math.log(8))


def test_a_ratio_metric_without_a_ratio_has_a_value_and_no_rank():
    found = scores("ratio", (OURS, 0, 0.5), (OURS, 1, 2.0, -1.0))
    assert found.present[OURS].all() and not found.comparable[OURS].any()


def test_a_metric_without_direction_has_values_only():
    found = scores("none", *REFERENCES, (OURS, 0, 2.0), (OURS, 1, "failed"))
    assert found.present[OURS].tolist() == [True, False] and not found.comparable.any()
