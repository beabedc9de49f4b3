"""The end of a run: its table, its record and its exit code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hoibench.evaluation.collect import recorded_units, unreached, write_results
from hoibench.evaluation.config import parse_budget
from hoibench.evaluation.failures import failures_of
from hoibench.evaluation.unit import Unit
from hoibench.results.run_record import Failure, RunRecord, Status


@dataclass(frozen=True)
class Outcome:
    """The end of a run: its folder, whether its results are whole (a shard's are not), its failures and its exit code."""

    out: Path
    units: int
    failures: tuple[Failure, ...]
    allowed: int
    whole: bool

    @property
    def exit_code(self) -> int:
        """0 done, 3 finished but over the failure budget."""
        return 0 if len(self.failures) <= self.allowed else 3

    @property
    def status(self) -> Status:
        """The word that run.json keeps."""
        return "done" if self.exit_code == 0 else "over_budget"


def end_run(out: Path, record: RunRecord) -> Outcome:
    """Write the table and the record of a run, all of whose units were worked on."""
    outcome = _outcome(out, record, recorded_units(record), whole=True)
    write_results(out, record)
    record.with_exit(outcome.status, outcome.failures).write(out / "run.json")
    return outcome


def end_shard(out: Path, record: RunRecord, units: Iterable[Unit], name: str) -> Outcome:
    """Write the record of a shard of a run."""
    outcome = _outcome(out, record, list(units), whole=False)
    record.with_exit(outcome.status, outcome.failures).write(out / name)
    return outcome


def _outcome(out: Path, record: RunRecord, units: list[Unit], *, whole: bool) -> Outcome:
    failures = (*failures_of(out, units), *unreached(out, units))
    return Outcome(out, len(units), failures, parse_budget(record.config["max_failures"], len(units)), whole)
