"""The end of a run: rows from its score files, a reason for every missing row, the table, the record and the exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hoibench.evaluation.config import parse_max_failures
from hoibench.evaluation.failures import read_failure, read_failures, status_of_stage
from hoibench.evaluation.measure import RowKey, to_row
from hoibench.evaluation.unit import Unit
from hoibench.metric_card import Card, select_cards
from hoibench.metrics.measurement import MISSING_INPUT, Measurement
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import write_rows
from hoibench.results.run_record import Failure, RunRecord, RunStatus
from hoibench.results.score_file import read_scores

RESULTS_FILE = "results.parquet"
NOT_REACHED = "stop: the run stopped before it reached this unit"


@dataclass(frozen=True)
class Outcome:
    """The end of a run, or of one shard of a run: its size, its failures and its exit code.

    Attributes:
        out: the run's folder.
        units: the number of units of work.
        clips: the number of their clips.
        failures: the units that failed.
        max_failures: the number of failures that are allowed.
        is_shard: True for a shard, which has no table yet.
    """

    out: Path
    units: int
    clips: int
    failures: tuple[Failure, ...]
    max_failures: int
    is_shard: bool

    @property
    def exit_code(self) -> int:
        """0: done; 3: done, with more failures than allowed."""
        return 0 if len(self.failures) <= self.max_failures else 3

    @property
    def status(self) -> RunStatus:
        """The status in run.json."""
        return "done" if self.exit_code == 0 else "over_budget"


def finish_run(out: Path, record: RunRecord) -> Outcome:
    """Write results.parquet and run.json of a complete run, and return how it ended."""
    outcome = _outcome(out, record, all_units(record), is_shard=False)
    write_rows(out / RESULTS_FILE, collect_rows(out, record))
    record.with_exit(outcome.status, outcome.failures).write(out / "run.json")
    return outcome


def finish_shard(out: Path, record: RunRecord, units: Iterable[Unit], name: str) -> Outcome:
    """Write the record of one shard to the file ``name`` of the run folder, and return how the shard ended."""
    outcome = _outcome(out, record, list(units), is_shard=True)
    record.with_exit(outcome.status, outcome.failures).write(out / name)
    return outcome


def _outcome(out: Path, record: RunRecord, units: list[Unit], *, is_shard: bool) -> Outcome:
    failures = (*read_failures(out, units), *_failures_without_record(out, units))
    max_failures = parse_max_failures(record.config["max_failures"], len(units))
    clips = len({unit.clip for unit in units})
    return Outcome(out, len(units), clips, failures, max_failures, is_shard)


def all_units(record: RunRecord) -> list[Unit]:
    """Return the units of every shard of a run."""
    return [
        Unit(method.id, method.preset, seed, clip.id)
        for clip in record.clips
        for method in record.methods
        for seed in method.seeds_of(clip.id, record.clips[0].id)
    ]


def collect_rows(out: Path, record: RunRecord) -> Iterator[ResultRow]:
    """Yield every row of a run: the measured ones, and a row with a reason for each metric that a unit lacks.

    Raises:
        UnknownName: a metric of the run is not installed.
    """
    cards = select_cards(record.metrics)
    outputs = {(method.id, method.preset): frozenset(method.outputs) for method in record.methods}
    for unit in all_units(record):
        scores, why_missing = _read_scores(out, unit)
        key = RowKey(
            unit.method, unit.clip, record.split, record.clip_set_id, unit.seed, unit.preset,
            record.config["precision"],
        )  # fmt: skip
        for card in cards:
            yield from scores.get(card.id) or _missing_rows(
                card, key, why_missing, outputs[unit.method, unit.preset], record.has_truth
            )


def _read_scores(out: Path, unit: Unit) -> tuple[dict[str, list[ResultRow]], str]:
    """Return a unit's rows by metric, and why other rows are missing (``STAGE: REASON``)."""
    path = unit.score_file(out)
    try:
        scores = read_scores(path, asdict(unit)) if path.is_file() else {}
    except ValueError as error:
        return {}, f"score: {error}"
    failure = read_failure(out, unit)
    return scores, NOT_REACHED if failure is None else f"{failure.stage}: {failure.reason}"


def _failures_without_record(out: Path, units: Iterable[Unit]) -> list[Failure]:
    """Return a failure for each unit that has no failure.json and no readable rows."""
    failures = []
    for unit in units:
        scores, why_missing = _read_scores(out, unit)
        if not scores and read_failure(out, unit) is None:
            stage, _, reason = why_missing.partition(": ")
            failures.append(Failure(unit=unit.key, stage=stage, reason=reason))
    return failures


def _missing_rows(card: Card, key: RowKey, reason: str, outputs: frozenset[str], has_truth: bool) -> list[ResultRow]:
    """Return a metric's rows for a unit without them: ``not_applicable`` if it could never apply, else the status of the failure's stage."""
    status = status_of_stage(reason)
    has_output = {"video": "video" in outputs, "tracks": bool(outputs & {"tracks", "points"})}
    for need in card.needs:
        if not has_output.get(need, has_truth):
            status, reason = "not_applicable", MISSING_INPUT[need]
    return [to_row(Measurement(None, status, reason, region=region), card, key) for region in card.regions]
