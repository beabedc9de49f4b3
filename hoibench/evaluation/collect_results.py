"""The end of a run: rows from its score files, a reason for every missing row, the table, the record and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from hoibench.evaluation.config import parse_max_failures
from hoibench.evaluation.failures import read_failure, read_failures, status_of_stage
from hoibench.evaluation.measure import RowKey, to_row
from hoibench.evaluation.unit import Unit
from hoibench.metric_card import Card, select_cards
from hoibench.metrics.measurement import MISSING_INPUT, Measurement
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import write_sorted_rows
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
    unexplained: list[Failure] = []
    write_sorted_rows(out / RESULTS_FILE, _rows_by_unit(out, record, unexplained.append))
    outcome = _outcome(out, record, all_units(record), unexplained, is_shard=False)
    record.with_exit(outcome.status, outcome.failures).write(out / "run.json")
    return outcome


def finish_shard(out: Path, record: RunRecord, units: Iterable[Unit], name: str) -> Outcome:
    """Write the record of one shard to the file ``name`` of the run folder, and return how the shard ended."""
    units = list(units)
    unexplained = [failure for unit in units if (failure := _read_unit(out, unit)[2]) is not None]
    outcome = _outcome(out, record, units, unexplained, is_shard=True)
    record.with_exit(outcome.status, outcome.failures).write(out / name)
    return outcome


def _outcome(
    out: Path, record: RunRecord, units: list[Unit], unexplained: Iterable[Failure], *, is_shard: bool
) -> Outcome:
    failures = (*read_failures(out, units), *unexplained)
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
    for rows in _rows_by_unit(out, record, lambda _: None):
        yield from rows


def _rows_by_unit(out: Path, record: RunRecord, on_failure: Callable[[Failure], None]) -> Iterator[list[ResultRow]]:
    """Yield the rows of each unit, see ``collect_rows``, in the order of results.parquet.

    ``on_failure`` gets a failure for each unit that has no failure.json and no readable rows.
    """
    cards = select_cards(record.metrics)
    outputs = {(method.id, method.preset): frozenset(method.outputs) for method in record.methods}
    units = sorted(all_units(record), key=lambda unit: (unit.method, unit.preset or "", unit.seed, unit.clip))
    for unit in units:
        scores, why_missing, failure = _read_unit(out, unit)
        if failure is not None:
            on_failure(failure)
        key = RowKey(
            unit.method, unit.clip, record.split, record.clip_set_id, unit.seed, unit.preset,
            record.config["precision"],
        )  # fmt: skip
        has = outputs[unit.method, unit.preset]
        rows: list[ResultRow] = []
        for card in cards:
            rows += scores.get(card.id) or _missing_rows(card, key, why_missing, has, record.has_truth)
        yield rows


def _read_unit(out: Path, unit: Unit) -> tuple[dict[str, list[ResultRow]], str, Failure | None]:
    """Return a unit's rows by metric, why other rows are missing (``STAGE: REASON``), and its failure if it has no rows and no failure.json."""
    path = unit.score_file(out)
    recorded = read_failure(out, unit)
    try:
        scores = read_scores(path, asdict(unit)) if path.is_file() else {}
        why_missing = NOT_REACHED if recorded is None else f"{recorded.stage}: {recorded.reason}"
    except ValueError as error:
        scores, why_missing = {}, f"score: {error}"
    stage, _, reason = why_missing.partition(": ")
    is_unexplained = not scores and recorded is None
    return scores, why_missing, Failure(unit=unit.key, stage=stage, reason=reason) if is_unexplained else None


def _missing_rows(card: Card, key: RowKey, reason: str, outputs: frozenset[str], has_truth: bool) -> list[ResultRow]:
    """Return a metric's rows for a unit without them: ``not_applicable`` if it could never apply, else the status of the failure's stage."""
    status = status_of_stage(reason)
    has_output = {"video": "video" in outputs, "tracks": bool(outputs & {"tracks", "points"})}
    for need in card.needs:
        if not has_output.get(need, has_truth):
            status, reason = "not_applicable", MISSING_INPUT[need]
    return [to_row(Measurement(None, status, reason, region=region), card, key) for region in card.regions]
