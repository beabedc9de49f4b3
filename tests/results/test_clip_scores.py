"""One number per clip: averages over seeds, caps of failed seeds and missing values."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from hoibench.results.clip_scores import clip_scores

TRUTH, OTHER, OURS = 0, 1, 2


def table(*rows):
    """A table of (board row, clip, value or status, details, recorded cap)."""
    records = []
    for row, clip, value_or_status, *more in rows:
        number = not isinstance(value_or_status, str)
        details, cap = (*more, {}, pd.NA)[:2] if len(more) < 2 else more
        records.append(
            (
                row,
                clip,
                "ok" if number else value_or_status,
                value_or_status if number else pd.NA,
                json.dumps(details),
                cap if len(more) > 1 else pd.NA,
            )
        )
    frame = pd.DataFrame(records, columns=["board_row", "clip_index", "status", "value", "details", "cap"])
    return frame.astype({"value": "Float64", "cap": "Float64"})


def scores(direction, *rows, cap=9.0, truth_row=TRUTH):
    return clip_scores(table(*rows), (3, 2), SimpleNamespace(direction=direction, cap=cap), truth_row)


def test_seeds_are_averaged_within_their_clip_first():
    found = scores("lower", (OURS, 0, 1.0), (OURS, 0, 2.0), (OURS, 0, 6.0), (OURS, 1, 7.0))
    assert found.value[OURS].tolist() == [3.0, 7.0] and found.seeds[OURS].tolist() == [3, 1]


@pytest.mark.parametrize(("direction", "cost"), [("lower", 9.0), ("higher", -9.0)])
def test_a_failed_clip_scores_the_cap_of_the_card(direction, cost):
    found = scores(direction, (OTHER, 0, 30.0), (OURS, 0, "failed"), (OURS, 1, "failed"))
    assert found.value[OURS].tolist() == [9.0, 9.0] and found.cost[OURS].tolist() == [cost, cost]
    assert found.has_value[OURS].all() and not found.has_own_value[OURS].any() and found.capped.all()


@pytest.mark.parametrize("cap", ["scene_size", "diagonal"])
def test_a_failed_clip_scores_the_cap_that_any_row_recorded_on_it(cap):
    found = scores(
        "lower", (OTHER, 0, 1.0, {}, 0.4), (OTHER, 1, 1.0, {}, 0.6), (OURS, 0, "failed"), (OURS, 1, "failed"), cap=cap
    )
    assert found.value[OURS].tolist() == [0.4, 0.6] and found.capped[OURS]


def test_failures_are_left_out_if_no_row_recorded_the_cap_of_the_clip():
    found = scores("lower", (OTHER, 1, 1.0, {}, 0.6), (OURS, 0, "failed"), (OURS, 1, 3.0), cap="scene_size")
    assert not found.capped[OURS] and found.has_value[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0


def test_a_failed_seed_counts_as_one_seed_and_is_not_part_of_the_own_value():
    found = scores("lower", (OURS, 0, 1.0), (OURS, 0, "failed"))
    assert found.value[OURS, 0] == 5.0 and found.cost[OURS, 0] == 5.0
    assert found.own_value[OURS, 0] == 1.0 and found.own_cost[OURS, 0] == 1.0
    assert found.failed_seeds[OURS].tolist() == [1, 0] and found.seeds[OURS].tolist() == [2, 0]


@pytest.mark.parametrize("status", ["undefined", "unavailable", "not_applicable", "error"])
def test_a_missing_value_that_is_no_failure_is_left_out_and_never_zero(status):
    found = scores("lower", (OURS, 0, status), (OURS, 1, 3.0))
    assert found.has_value[OURS].tolist() == [False, True] and found.value[OURS, 1] == 3.0
    assert not found.failed_seeds[OURS].any()


def test_a_value_that_is_undefined_for_the_row_alone_is_a_failure():
    rows = [(TRUTH, 0, 1.0), (TRUTH, 1, "undefined"), (OURS, 0, "undefined"), (OURS, 1, "undefined")]
    assert scores("lower", *rows).failed_seeds[OURS].tolist() == [1, 0]
    others = scores("lower", *rows, (OTHER, 1, 2.0))
    assert others.failed_seeds[OURS].tolist() == [1, 0]  # undefined for the truth
    without_truth = scores("lower", *rows[2:], (OTHER, 1, 2.0), truth_row=None)
    assert without_truth.failed_seeds[OURS].tolist() == [0, 1] and without_truth.cost[OURS, 1] == 9.0


def test_a_metric_that_applies_to_other_predictions_of_the_method_fails_where_one_lacks_its_input():
    """Else a method would choose the clips on which it is compared, e.g. those where it predicts hidden points."""
    rows = [(TRUTH, 0, 1.0), (TRUTH, 1, 1.0), (OURS, 0, 2.0), (OURS, 1, "not_applicable")]
    assert scores("lower", *rows).failed_seeds[OURS].tolist() == [0, 1]
    assert scores("lower", *rows[:1], *rows[2:]).failed_seeds[OURS].tolist() == [0, 0]  # nor to the truth
    never = scores("lower", *rows[:2], (OURS, 0, "not_applicable"), (OURS, 1, "not_applicable"))
    assert not never.failed_seeds[OURS].any() and not never.has_value[OURS].any()


def test_a_companion_that_is_undefined_for_the_row_alone_has_the_cap_as_its_value():
    rows = [(TRUTH, 0, 1.0), (TRUTH, 1, "undefined"), (OURS, 0, "undefined"), (OURS, 1, "undefined")]
    found = scores("none", *rows, cap=0.0)
    assert found.has_own_value[OURS].tolist() == [True, False] and found.own_value[OURS, 0] == 0.0
    assert not found.failed_seeds.any() and not scores("none", *rows, cap=None).has_own_value[OURS].any()
    assert not scores("none", (TRUTH, 0, 1.0), (OURS, 0, "failed"), cap=0.0).has_own_value[OURS].any()
    found = scores("none", (TRUTH, 0, 1.0), (OURS, 0, 1.0), (OURS, 0, "undefined"), cap=0.0)
    assert found.own_value[OURS, 0] == 0.5 and found.seed_variance[OURS, 0] == 0.5


def test_a_failed_unit_adds_no_value_of_a_metric_that_never_applies_to_the_method():
    found = scores("lower", (OURS, 0, "failed"), (OURS, 1, "not_applicable"))
    assert not found.has_value[OURS].any() and not found.failed_seeds[OURS].any()


def test_a_ratio_metric_ranks_by_the_clipped_distance_of_its_logarithm_from_zero():
    found = scores(
        "ratio", (TRUTH, 0, 0.0, {"ratio": 0.0}), (TRUTH, 1, 8.0, {"ratio": 800.0}), (OTHER, 0, 8.0, {"ratio": 8.0}),
        (OURS, 0, 0.5, {"ratio": 0.5}), (OURS, 1, 2.0, {"ratio": 2.0}), (OTHER, 1, "failed"), cap=0.0,
    )  # fmt: skip
    assert found.cost[OURS].tolist() == pytest.approx([math.log(2)] * 2) and found.value[OURS].tolist() == [0.5, 2.0]
    assert found.cost[TRUTH].tolist() == pytest.approx([math.log(20)] * 2)
    assert found.own_detail[:, 0].tolist() == [0.0, 8.0, 0.5]  # the ratio itself, not clipped
    assert found.cost[OTHER].tolist() == pytest.approx([math.log(8), math.log(20)]) and found.value[OTHER, 1] == 0.0


@pytest.mark.parametrize(("direction", "details"), [("ratio", {"ratio": -1.0}), ("ratio", {}), ("truth_distance", {})])
def test_a_value_without_what_its_cost_needs_has_no_cost(direction, details):
    found = scores(direction, (OURS, 0, 0.5, details), (OURS, 1, 2.0, details))
    assert found.has_value[OURS].all() and not found.has_cost[OURS].any()


def test_details_that_are_no_object_are_refused():
    with pytest.raises(ValueError, match=r"results.parquet: details is '\[1\]', expected a JSON object"):
        scores("ratio", (OURS, 0, 0.5, [1]))


def test_a_metric_whose_target_is_the_truth_ranks_by_the_distance_and_its_cap_is_a_distance():
    rows = [(OURS, 0, 0.5, {"truth": 0.75}), (OURS, 1, "failed"), (OTHER, 0, 1.0, {"truth": 0.75})]
    found = scores("truth_distance", *rows, cap=1.0)
    assert found.cost[OURS].tolist() == [0.25, 1.0] and found.cost[OTHER, 0] == 0.25
    assert found.has_value[OURS].tolist() == [True, False]  # what a failed clip's value would be is unknown


def test_a_metric_without_direction_has_values_only():
    found = scores("none", (OURS, 0, 2.0), (OURS, 1, "failed"), cap=None)
    assert found.has_value[OURS].tolist() == [True, False] and not found.has_cost.any()


def test_the_order_of_the_rows_does_not_change_the_scores():
    rows = [(m, c, 10.0 ** (s % 7) / 3 + m) for m in range(3) for c in range(2) for s in range(20)]
    expected = scores("lower", *rows)
    for seed in range(5):
        shuffled = scores("lower", *[rows[n] for n in np.random.default_rng(seed).permutation(len(rows))])
        assert np.array_equal(expected.value, shuffled.value) and np.array_equal(expected.cost, shuffled.cost)
