"""From score files to rows: what a run has, and a reason for everything that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hoibench.evaluation.failures import read_failure, status_of_stage
from hoibench.evaluation.measure import RowKey, to_row
from hoibench.evaluation.unit import Unit
from hoibench.metric_card import Card, select_cards
from hoibench.metrics.measurement import Measurement
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import write_rows
from hoibench.results.run_record import Failure, RunRecord
from hoibench.results.score_file import read_scores

RESULTS = "results.parquet"
NOT_REACHED = "stop: the run stopped before this unit was done"


def recorded_units(record: RunRecord) -> list[Unit]:
    """The units of every shard of a run, from its record."""
    return [
        Unit(method.id, method.preset, seed, clip.id)
        for clip in record.clips
        for method in record.methods
        for seed in method.seeds
    ]


def collect_rows(out: Path, record: RunRecord) -> Iterator[ResultRow]:
    """Every row of a run: those scored, and a ``failed`` one for each metric of a unit that failed or was not reached.

    Raises:
        UnknownName: the run has a metric that is not installed here.
        ValueError: a score file is broken; names file and line.
    """
    cards = select_cards(record.metrics)
    outputs = {(method.id, method.preset): frozenset(method.outputs) for method in record.methods}
    for unit in recorded_units(record):
        scores, missing = _scores_of(out, unit)
        key = RowKey(
            unit.method, unit.clip, record.split, record.clip_set_id, unit.seed, unit.preset,
            record.config["precision"],
        )  # fmt: skip
        for card in cards:
            yield from scores.get(card.id) or missing_rows(
                card, key, missing, outputs[unit.method, unit.preset], record.has_truth
            )


def _scores_of(out: Path, unit: Unit) -> tuple[dict[str, list[ResultRow]], str]:
    """A unit's rows by metric, and why those that are not there are not."""
    path = unit.scores(out)
    try:
        scores = read_scores(path) if path.is_file() else {}
    except ValueError as error:
        return {}, f"score: {error}"
    failure = read_failure(out, unit)
    return scores, NOT_REACHED if failure is None else f"{failure.stage}: {failure.reason}"


def unreached(out: Path, units: Iterable[Unit]) -> list[Failure]:
    """Units that did not fail and yet have no rows that can be read, as ``failures_of`` tells failures."""
    failures = []
    for unit in units:
        scores, missing = _scores_of(out, unit)
        if not scores and read_failure(out, unit) is None:
            stage, _, reason = missing.partition(": ")
            failures.append(Failure(unit=unit.key, stage=stage, reason=reason))
    return failures


def write_results(out: Path, record: RunRecord) -> Path:
    """Write results.parquet, sorted, so that equal rows give an equal table; its path."""
    path = out / RESULTS
    write_rows(path, collect_rows(out, record))
    return path


def missing_rows(card: Card, key: RowKey, reason: str, outputs: frozenset[str], has_truth: bool) -> list[ResultRow]:
    """Rows of a metric that was never reached: failed, unless the method or the data set has no such thing anyway."""
    status = status_of_stage(reason)
    for need in card.needs:
        if need == "video" and "video" not in outputs:
            status, reason = "not_applicable", "the method gives no video"
        elif need == "tracks" and not outputs & {"tracks", "points"}:
            status, reason = "not_applicable", "the method gives no point tracks"
        elif need not in ("video", "tracks") and not has_truth:
            status, reason = "not_applicable", f"the data set has no {need.replace('.', ' ')}"
    return [to_row(Measurement(None, status, reason, region=region), card, key) for region in card.regions]
