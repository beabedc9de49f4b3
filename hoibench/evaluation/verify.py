"""Verification of a finished run: a random sample of its units is scored again, in a folder of its own, and compared with its rows.

No method runs, and nothing of the run's record names a file that is read: the data set and the metrics' weights are those of this machine.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.build_run_record import RunRefused
from hoibench.evaluation.collect_results import RESULTS_FILE, all_units
from hoibench.evaluation.compare_rows import Comparison, compare_unit
from hoibench.evaluation.config import RunConfig, check_config
from hoibench.evaluation.executor import choose_executor
from hoibench.evaluation.failures import read_failure
from hoibench.evaluation.plan import Plan, plan_from_record
from hoibench.evaluation.run import group_by_clip
from hoibench.evaluation.run_progress import RunListener, RunProgress
from hoibench.evaluation.sample_units import Sample, sample_units
from hoibench.evaluation.unit import Unit
from hoibench.evaluation.worker import WorkerContext
from hoibench.predictions import PREDICTION_FILE, is_complete, read_prediction_record, stored_digest
from hoibench.problems import Problem, raise_if_any
from hoibench.reference_rows import FROZEN_SELF
from hoibench.results.pack import RUN_FILE, PackRecord
from hoibench.results.results_file import read_rows
from hoibench.results.run_record import RunRecord
from hoibench.results.score_file import read_scores
from hoibench.store.verified_folder import read_metadata
from hoibench.submissions.limited import LimitedProcess
from hoibench.submissions.pack_check import find_pack_problems, read_bounded_rows
from hoibench.submissions.prediction_check import check_prediction

UNIT_TIMEOUT = 3600.0
"""Seconds that scoring one unit may take; a prediction may be made to take long."""


@dataclass(frozen=True)
class VerifySettings:
    """The settings of a verification.

    Attributes:
        share: the share of the units to score again, above 0 and at most 1; see ``sample_units``.
        seed: the seed of the sample.
        tolerance: the largest relative difference of two values that count as equal.
        root: the folder of the data set.
        weights: a folder with weight files.
        workers: the number of worker processes.
        pack: a pack of the run: its record and rows are compared, not those in the run's folder.
    """

    share: float
    seed: int
    tolerance: float
    root: Path | None = None
    weights: Path | None = None
    workers: int | None = None
    pack: Path | None = None


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        samples: the units that were scored again, of each method and of the reference rows, and of how many.
        comparison: the compared rows, and what differs.
        problems: all problems, those of the comparison included.
    """

    samples: tuple[Sample, ...]
    comparison: Comparison
    problems: tuple[Problem, ...] = field(default=())

    @property
    def units(self) -> tuple[Unit, ...]:
        """The units of all samples."""
        return tuple(unit for sample in self.samples for unit in sample.units)


def verify(out: Path, settings: VerifySettings, device: str, listener: RunListener) -> Verification:
    """Score a random sample of a finished run's units again and compare the rows; the run's folder is only read.

    Reference rows are built anew from the truth; the predictions of methods are those in the run's folder.

    Args:
        out: the run's folder; with a pack, only its predictions are read.
        settings: the settings.
        device: torch device of the metrics' networks.
        listener: shows the progress.

    Raises:
        FileNotFoundError: the folder has no run, or the data set needs a root.
        RunRefused: the run has not ended, has no prediction, or the data set on this machine has another truth.
        ValueError: a file of the run is damaged or too large, or the pack has problems; the message names them.
    """
    source = settings.pack or out
    with LimitedProcess() as process:
        if settings.pack is None:
            process.call(read_bounded_rows, out / RESULTS_FILE)
        else:
            raise_if_any(process.call(find_pack_problems, settings.pack))
        return _verify(out, source, settings, process, device, listener)


def _verify(
    out: Path, source: Path, settings: VerifySettings, process: LimitedProcess, device: str, listener: RunListener
) -> Verification:
    """Verify a run whose results file, or pack, has been read within limits."""
    record = process.call(RunRecord.read, source / RUN_FILE)
    if record.shard is not None or record.exit.status not in ("done", "over_budget"):
        raise RunRefused(
            f"{source / RUN_FILE} is of a run that is {record.exit.status}: finish it, and merge its shards"
        )
    digests = None if settings.pack is None else read_metadata(settings.pack, PackRecord, "contents").predictions
    stored = _StoredRows(source / RESULTS_FILE, record)
    candidates, problems = _find_candidates(out, record, stored)
    if not candidates:
        raise RunRefused(f"{out / 'predictions'} has no complete prediction of the run: nothing can be scored again")
    methods = {method.key for method in record.methods if method.kind == "method"}
    samples = sample_units(candidates, methods, settings.share, settings.seed)
    units = [unit for sample in samples for unit in sample.units]
    comparison = Comparison(settings.tolerance)
    with tempfile.TemporaryDirectory(prefix="hoibench-verify-") as name:
        plan = _make_plan(record, settings, Path(name), device)
        for unit in units:
            problems += _copy_prediction(out, plan, unit, process, digests)
        fresh = _score(plan, units, listener)
        for unit in units:
            compare_unit(comparison, unit, stored.of(unit), fresh[unit], source / RESULTS_FILE)
    return Verification(samples, comparison, (*problems, *comparison.problems))


class _StoredRows:
    """The rows of a results file by unit."""

    def __init__(self, path: Path, record: RunRecord) -> None:
        table = read_rows(path)
        table = table.astype(object).where(table.notna(), None)
        self._groups: dict[Unit, list[dict[str, Any]]] = {}
        for row in table.to_dict("records"):
            unit = Unit(row["method"], row["preset"], row["seed"], row["clip"])
            self._groups.setdefault(unit, []).append({str(key): value for key, value in row.items()})

    def of(self, unit: Unit) -> Sequence[Mapping[str, Any]]:
        return self._groups.get(unit, [])


def _find_candidates(out: Path, record: RunRecord, stored: _StoredRows) -> tuple[list[Unit], list[Problem]]:
    """Return the units that can be scored without their method, and a problem for each other one that has values."""
    kinds = {(method.id, method.preset): method.kind for method in record.methods}
    candidates, problems = [], []
    for unit in all_units(record):
        source = _source(unit)
        kind = kinds.get((source.method, source.preset))
        if (source is unit and kind != "method") or (kind is not None and is_complete(source.prediction_folder(out))):
            candidates.append(unit)
        elif any(row["value"] is not None for row in stored.of(unit)):
            fix = "give the folder with the scored predictions"
            problems.append(Problem(str(source.prediction_folder(out)), "", "is not complete, but has values", "", fix))
    return candidates, problems


def _source(unit: Unit) -> Unit:
    """Return the unit whose prediction a unit is built from: its own, unless it repeats the first frame of a method's."""
    return unit.without_prefix(FROZEN_SELF) if unit.method.startswith(FROZEN_SELF) else unit


def _make_plan(record: RunRecord, settings: VerifySettings, scratch: Path, device: str) -> Plan:
    """Return a plan that scores in the folder ``scratch``; of the run's configuration it has only what decides the clips."""
    split, short = (record.config.get(name) for name in ("split", "short"))
    config = RunConfig(
        dataset=record.dataset,
        root=settings.root,
        split=split if isinstance(split, str) else None,
        short="pad" if short == "pad" else "drop",
        weights=settings.weights,
        workers=settings.workers,
        unit_timeout=UNIT_TIMEOUT,
        out=scratch,
    )
    check_config(config)
    try:
        return plan_from_record(record, config, open_dataset(config.dataset, config.root), device)
    except ValueError as error:
        raise RunRefused(f"the run cannot be verified here: {error}") from error


def _copy_prediction(
    out: Path, plan: Plan, unit: Unit, process: LimitedProcess, digests: Mapping[str, str] | None
) -> Iterator[Problem]:
    """Copy the prediction that a unit needs; yield its problems: changed files, and those that cannot be read within limits."""
    source = _source(unit)
    folder, target = source.prediction_folder(out), source.prediction_folder(plan.out)
    spec = next(entrant.spec for entrant in plan.entrants if entrant.key == source.entrant)
    if target.exists() or spec.kind != "method":
        return
    try:
        digest = stored_digest(folder)
        found = process.call(check_prediction, folder, spec, folder, None).problems
    except (ValueError, OSError) as error:
        found = (Problem(str(folder), "", f"cannot be read: {error}", "", ""),)
    else:
        if digests is not None and digests.get(source.key) != digest:
            yield Problem(str(folder), "", "is not the prediction of the pack, whose digest differs", "", "")
    yield from found
    if found:
        return
    target.mkdir(parents=True)
    for name in (*read_prediction_record(folder).files, PREDICTION_FILE):
        shutil.copyfile(folder / name, target / name)


def _score(plan: Plan, units: Iterable[Unit], listener: RunListener) -> dict[Unit, dict[str, list[Any]] | str]:
    """Score units; return the rows of each by metric, or why it has none."""
    units = list(units)
    jobs = group_by_clip(plan, units)
    listener.on_start(plan, units)
    choose_executor(plan, len(jobs)).score(WorkerContext.from_plan(plan), jobs, RunProgress(units, listener))
    found: dict[Unit, dict[str, list[Any]] | str] = {}
    for unit in units:
        path = unit.score_file(plan.out)
        failure = read_failure(plan.out, unit)
        rows = read_scores(path, asdict(unit)) if path.is_file() else {}
        found[unit] = rows or ("no prediction" if failure is None else f"{failure.stage}: {failure.reason}")
    return found
