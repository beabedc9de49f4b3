"""Comparison of a unit's stored result rows with those of scoring it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hoibench.evaluation.unit import Unit
from hoibench.problems import Problem
from hoibench.reference_rows import FROZEN_SELF, REFERENCES
from hoibench.results.result_row import ResultRow

ABSOLUTE_TOLERANCE = 1e-6
"""Largest difference of values near zero, in the value's unit."""

_KEY = ("region", "part", "view", "pair", "frame")
_NUMBERS = ("value", "coverage", "cap")
_TEXTS = ("status", "unit", "pairing", "alignment", "truth", "prediction")
_NOT_COMPARABLE = ("unavailable", "error")
"""Statuses of metrics that this machine, or that of the run, could not compute."""

Row = Mapping[str, Any]


@dataclass
class Comparison:
    """The rows that were compared so far.

    Attributes:
        tolerance: the largest relative difference of two values that count as equal.
        rows: the number of compared rows.
        largest: for each metric the largest relative difference of its values.
        not_compared: metrics without comparable rows, with the reason.
        problems: one for each unit and metric that differs.
    """

    tolerance: float
    rows: int = 0
    largest: dict[str, float] = field(default_factory=dict)
    not_compared: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def compare_unit(
    comparison: Comparison,
    unit: Unit,
    stored: Sequence[Row],
    fresh: Mapping[str, Sequence[ResultRow]] | str,
    path: Path,
) -> None:
    """Compare the rows of one unit.

    Args:
        comparison: gets the result.
        unit: the unit.
        stored: its rows in the results file.
        fresh: its rows of scoring again by metric, or why there are none.
        path: the results file, for messages.
    """
    by_metric: dict[str, list[Row]] = {}
    for row in stored:
        by_metric.setdefault(row["metric"], []).append(row)
    if isinstance(fresh, str):
        if any(row["value"] is not None for row in stored):
            comparison.problems.append(Problem(str(path), unit.key, "has values, but scoring again failed", "", fresh))
        return
    for metric in dict.fromkeys([*by_metric, *fresh]):
        rows, again = by_metric.get(metric, []), [row.to_json() for row in fresh.get(metric, [])]
        if reason := _why_not_comparable(rows, again):
            comparison.not_compared.setdefault(metric, reason)
            continue
        _compare_metric(comparison, unit, metric, rows, again, path)


def _why_not_comparable(stored: Sequence[Row], fresh: Sequence[Row]) -> str:
    """Return why a metric's rows cannot be compared, or an empty text; a stored row without a value excuses no other row that has one."""
    claims = any(row["value"] is not None or row["status"] not in _NOT_COMPARABLE for row in stored)
    for row in fresh if claims else (*stored, *fresh):
        if row["status"] in _NOT_COMPARABLE:
            return " ".join(f"{row['status']}: {row['reason']}".split())
    return ""


def _compare_metric(
    comparison: Comparison, unit: Unit, metric: str, stored: Sequence[Row], fresh: Sequence[Row], path: Path
) -> None:
    pairs = {_key(row): row for row in stored}
    again = {_key(row): row for row in fresh}
    differences = [f"has a row of {_place(key)} that scoring again does not give" for key in pairs if key not in again]
    differences += [f"lacks a row of {_place(key)}" for key in again if key not in pairs]
    if len(pairs) != len(stored):
        differences.append("has rows twice")
    for key in [key for key in pairs if key in again]:
        comparison.rows += 1
        differences += _differences(comparison, unit, metric, key, pairs[key], again[key])
    if differences:
        more = f" (and {len(differences) - 1} more differences)" if len(differences) > 1 else ""
        place = f"{unit.key}, {metric},"
        comparison.problems.append(Problem(str(path), place, differences[0] + more, "", "scored again, it differs"))


def _differences(comparison: Comparison, unit: Unit, metric: str, key: tuple[Any, ...], a: Row, b: Row) -> list[str]:
    is_rebuilt = unit.method in REFERENCES or unit.method.startswith(FROZEN_SELF)  # encoders differ
    texts = [name for name in _TEXTS if a[name] != b[name] and not (name == "prediction" and is_rebuilt)]
    found = [f"{_place(key)} has {name} {a[name]!r:.100}, not {b[name]!r:.100}" for name in texts]
    for name in _NUMBERS:
        if (a[name] is None) != (b[name] is None):
            found.append(f"{_place(key)} has {name} {a[name]}, not {b[name]}")
        elif a[name] is not None:
            difference = relative_difference(a[name], b[name])
            if name == "value":
                comparison.largest[metric] = max(comparison.largest.get(metric, 0.0), difference)
            if difference > comparison.tolerance:
                found.append(f"{_place(key)} has {name} {a[name]:.9g}, not {b[name]:.9g}")
    return found


def relative_difference(a: float, b: float) -> float:
    """Return the difference of two numbers relative to the larger one; 0 within ``ABSOLUTE_TOLERANCE``.

    >>> relative_difference(2.0, 1.9), relative_difference(1e-9, 0.0)
    (0.05, 0.0)
    """
    difference = abs(a - b)
    return 0.0 if difference <= ABSOLUTE_TOLERANCE else round(difference / max(abs(a), abs(b)), 15)


def _key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in _KEY)


def _place(key: tuple[Any, ...]) -> str:
    return " ".join(
        [key[0], *(f"{name} {value}" for name, value in zip(_KEY[1:], key[1:], strict=True) if value is not None)]
    )
