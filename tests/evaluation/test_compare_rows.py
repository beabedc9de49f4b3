"""Stored rows are compared with those of scoring again; only a metric that was not computed is left out."""

from pathlib import Path

import pytest

from hoibench.evaluation.compare_rows import Comparison, compare_unit
from hoibench.evaluation.unit import Unit
from hoibench.results.result_row import ResultRow

UNIT = Unit("mine", None, 0, "clip_0")


def row(value=1.0, status="ok", **changes):
    required = {name: None for name, field in ResultRow.model_fields.items() if field.is_required()}
    texts = {"method": "mine", "clip": "clip_0", "split": "s", "clip_set_id": "0", "metric": "rpe@2", "region": "full"}
    return ResultRow(**required | texts | {"seed": 0, "unit": "%", "value": value, "status": status} | changes)


def compare(stored, fresh, **changes):
    """Compare rows; ``changes`` are of the stored ones, which no run writes."""
    comparison = Comparison(1e-3)
    rows = [each.to_json() | changes for each in stored]
    compare_unit(comparison, UNIT, rows, {"rpe@2": fresh}, Path("results.parquet"))
    return comparison


FAILED = {"value": None, "reason": "no\nmemory"}


@pytest.mark.parametrize("status", ["error", "unavailable"])
def test_a_failed_row_hides_no_value_of_its_metric(status):
    found = compare([row(0.1), row(status=status, frame=7, **FAILED)], [row(1.0)])
    (problem,) = map(str, found.problems)
    assert "frame 7 that scoring again does not give (and 1 more differences)" in problem
    assert found.not_compared == {}


@pytest.mark.parametrize("status", ["error", "unavailable"])
def test_a_value_with_the_status_of_a_failure_is_found(status):
    (problem,) = map(str, compare([row(1.0)], [row(1.0)], status=status).problems)
    assert f"has status '{status}', not 'ok'" in problem


@pytest.mark.parametrize(("stored", "fresh"), [("error", "ok"), ("ok", "unavailable")])
def test_a_metric_that_one_machine_could_not_compute_is_not_compared(stored, fresh):
    rows = {"ok": row(1.0), "error": row(status="error", **FAILED), "unavailable": row(status="unavailable", **FAILED)}
    found = compare([rows[stored]], [rows[fresh]])
    failed = stored if stored != "ok" else fresh
    assert (found.problems, found.not_compared) == ([], {"rpe@2": f"{failed}: no memory"})
