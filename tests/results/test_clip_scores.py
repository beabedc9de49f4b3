"""One number per clip: averages over seeds, penalties and missing values."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from hoibench.results.clip_scores import RATIO_CAP, clip_scores

FROZEN, RANDOM, OURS = 0, 1, 2
EXEMPT = np.array([True, True, False])


def table(*rows):
    """A table of (board row, clip, value or status, ratio)."""
    records = []
    for row, clip, value_or_status, *ratio in rows:
        number = not isinstance(value_or_status, str)
        records.append(
            (
                row,
                clip,
                "ok" if number else value_or_status,
                value_or_status if number else pd.NA,
                json.dumps({"ratio": ratio[0]} if ratio else {}),
            )
        )
    frame = pd.DataFrame(records, columns=["board_row", "clip_index", "status", "value", "details"])
    return frame.astype({"value": "Float64"})


def scores(direction, *rows, penalty_rows=(FROZEN, RANDOM)):
    return clip_scores(table(*rows), (3, 2), direction, penalty_rows, EXEMPT)


REFERENCES = [(FROZEN, 0, 5.0), (RANDOM, 0, 9.0), (FROZEN, 1, 6.0), (RANDOM, 1, 1.0)]


def test_seeds_are_averaged_within_their_clip_first():
    found = scores("lower", *REFERENCES, (OURS, 0, 1.0), (OURS, 0, 2.0), (OURS, 0, 6.0), (OURS, 1, 7.0))
    assert found.value[OURS].tolist() == [3.0, 7.0] and found.seeds[OURS].tolist() == [3, 1]


@pytest.mark.parametrize(("direction", "worse"), [("lower", [9.0, 6.0]), ("higher", [5.0, 1.0])])
def test_a_failed_clip_counts_as_the_worse_of_frozen_and_random_on_that_clip(direction, worse):
    found = scores(direction, *REFERENCES, (OURS, 0, "failed"), (OURS, 1, "failed"))
    assert found.value[OURS].tolist() == worse and found.has_value[OURS].all() and not found.has_own_value[OURS].any()


def test_a_failed_seed_counts_as_one_seed_and_is_not_part_of_the_own_value():
    found = scores("lower", *REFERENCES, (OURS, 0, 1.0), (OURS, 0, "failed"))
    assert found.value[OURS, 0] == 5.0 and found.own_value[OURS, 0] == 1.0 and found.cost[OURS, 0] == 5.0
    assert found.failed[OURS].tolist() == [True, False]


@pytest.mark.parametrize("status", ["undefined", "unavailable", "not_applicable", "error"])
def test_a_missing_value_that_is_no_failure_is_left_out_and_never_zero(status):
    found = scores("lower", *REFERENCES, (OURS, 0, status), (OURS, 1, 3.0))
    assert (
        found.has_value[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0 and not found.failed[OURS].any()
    )


@pytest.mark.parametrize("penalty_rows", [(), (FROZEN, RANDOM)])
def test_failures_are_left_out_if_a_penalty_row_lacks_the_clip(penalty_rows):
    rows = [(FROZEN, 0, 5.0), (RANDOM, 0, "undefined"), (OURS, 0, "failed"), (OURS, 1, 3.0)]
    found = scores("lower", *rows, penalty_rows=penalty_rows)
    assert not found.penalised[OURS] and found.has_value[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0


def test_failures_of_reference_rows_are_not_penalised():
    found = scores("lower", (FROZEN, 0, "failed"), (RANDOM, 0, 9.0), (OURS, 0, 1.0))
    assert not found.has_value[FROZEN].any() and found.penalised[FROZEN]


def test_a_failed_unit_adds_no_value_of_a_metric_that_never_applies_to_the_method():
    found = scores("lower", *REFERENCES, (OURS, 0, "failed"), (OURS, 1, "not_applicable"))
    assert not found.has_value[OURS].any() and not found.failed[OURS].any()


def test_a_ratio_metric_ranks_by_the_distance_of_its_logarithm_from_zero():
    found = scores("ratio", (FROZEN, 0, 0.0, 0.0), (RANDOM, 0, 8.0, 8.0), (OURS, 0, 0.5, 0.5), (OURS, 1, 2.0, 2.0))
    assert found.cost[OURS].tolist() == pytest.approx([math.log(2)] * 2) and found.value[OURS].tolist() == [0.5, 2.0]
    assert found.cost[FROZEN, 0] == RATIO_CAP and found.cost[RANDOM, 0] == pytest.approx(math.log(8))


def test_a_ratio_metric_without_a_ratio_has_a_value_and_no_rank():
    found = scores("ratio", (OURS, 0, 0.5), (OURS, 1, 2.0, -1.0))
    assert found.has_value[OURS].all() and not found.has_cost[OURS].any()


def test_a_metric_without_direction_has_values_only():
    found = scores("none", *REFERENCES, (OURS, 0, 2.0), (OURS, 1, "failed"))
    assert found.has_value[OURS].tolist() == [True, False] and not found.has_cost.any()
