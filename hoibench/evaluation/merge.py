"""What is done with a run as a whole, of one piece or of shards: join it, or score its stored predictions anew."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoibench.evaluation.collect import recorded_units, unreached, write_results
from hoibench.evaluation.config import parse_budget, parse_shard
from hoibench.evaluation.failures import failures_of
from hoibench.evaluation.local_executor import log_to, make_executor
from hoibench.evaluation.plan import plan_of_record
from hoibench.evaluation.record import RunRefused
from hoibench.evaluation.run import Listener, Outcome, jobs_of, locked
from hoibench.evaluation.settings_file import config_of_json
from hoibench.evaluation.worker import WorkerContext
from hoibench.predictions import is_whole
from hoibench.results.run_record import RunRecord

log = logging.getLogger(__name__)


def merge(out: Path) -> Outcome:
    """Join the shards of a run, or redo the table of a whole one: writes results.parquet and, for shards, run.json.

    Raises:
        FileNotFoundError: the folder holds no run.
        RunRefused: shards are missing or differ in their settings, or a process works on the run.
    """
    with _whole_record(out) as record:
        return _finish(out, record)


def rescore(out: Path, settings: Mapping[str, Any], device: str, listener: Listener) -> Outcome:
    """Score the stored predictions of a finished run anew, whole or of several shards, and write its table and record again.

    The methods need not be installed.  A unit's old rows stand until its new ones are there.

    Args:
        out: the run's folder.
        settings: fields of ``RunConfig`` that differ here: root, weights, workers, batch, unit_timeout.
        device: torch device of the metrics' networks.
        listener: told of the progress.

    Raises:
        FileNotFoundError: the folder holds no run.
        RunRefused: shards are missing or unfinished, or a process works on the run.
        UnknownName: a metric or the data set is not installed here.
        OSError: the disk is full or unwritable; what was done is kept.
    """
    with _whole_record(out) as record:
        config = replace(config_of_json(record.config), **settings, out=out, shard=None)
        plan = plan_of_record(record, config, device)
        handler = log_to(out / "log.txt")
        log.info("rescoring %s: %d units", out, len(plan.units))
        listener.started(plan)
        try:
            jobs = jobs_of(plan, (unit for unit in plan.units if is_whole(unit.prediction(out))))
            make_executor(plan, len(jobs)).score(WorkerContext.of(plan, rescore=True), jobs, listener.reported)
            return _finish(out, record)
        finally:
            listener.stopped()
            logging.getLogger().removeHandler(handler)
            handler.close()


@contextmanager
def _whole_record(out: Path) -> Iterator[RunRecord]:
    """The record of a run, of its shards together where it has any; the run is locked meanwhile."""
    if not out.is_dir():
        raise FileNotFoundError(f"{out}: no such folder")
    with locked(out, "run"):
        paths = sorted(path for path in out.glob("run.*of*.json"))
        records = [RunRecord.read(path) for path in paths] or [RunRecord.read(out / "run.json")]
        if paths:
            _check_shards(out, paths, records)
        yield records[0].model_copy(update={"merged": bool(paths), "shard": None})


def _finish(out: Path, record: RunRecord) -> Outcome:
    units = recorded_units(record)
    failures = [*failures_of(out, units), *unreached(out, units)]
    allowed = parse_budget(record.config["max_failures"], len(units))
    outcome = Outcome(out, len(units), tuple(failures), allowed, whole=True)
    write_results(out, record)
    record.ended(outcome.status, failures).write(out / "run.json")
    return outcome


def _check_shards(out: Path, paths: Sequence[Path], records: Sequence[RunRecord]) -> None:
    n = parse_shard(records[0].shard)
    wanted = [f"run.{i}of{n[1]}.json" for i in range(1, n[1] + 1)] if n else []
    missing = sorted(set(wanted) - {path.name for path in paths})
    if missing:
        raise RunRefused(f"{out} lacks {', '.join(missing)}: run the other shards first")
    for path, record in zip(paths, records, strict=True):
        if record.config_hash != records[0].config_hash:
            raise RunRefused(f"{path} has other settings than {paths[0].name}: they are not one run")
        if record.exit.status not in ("done", "over_budget"):
            raise RunRefused(f"{path} is {record.exit.status}: finish that shard first")
