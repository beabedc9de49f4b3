"""Work on a run as a whole, of one piece or of shards: joining it, and scoring its stored predictions anew."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.collect import recorded_units
from hoibench.evaluation.config import check_config, parse_shard
from hoibench.evaluation.local_executor import log_to, make_executor
from hoibench.evaluation.outcome import Outcome, end_run
from hoibench.evaluation.plan import plan_of_record
from hoibench.evaluation.record import RunRefused, code_of, with_provenance
from hoibench.evaluation.run import Listener, jobs_of, locked
from hoibench.evaluation.settings_file import config_of_json
from hoibench.evaluation.worker import WorkerContext
from hoibench.predictions import PREDICTION_FILE, is_complete
from hoibench.results.run_record import RunRecord
from hoibench.store import canonical_json

log = logging.getLogger(__name__)


def merge(out: Path) -> Outcome:
    """Join the shards of a run, or redo the table of a whole one: writes results.parquet and, for shards, run.json.

    Raises:
        FileNotFoundError: the folder holds no run.
        RunRefused: shards are missing or differ in their settings, or a process works on the run.
    """
    with _whole_record(out) as record:
        return end_run(out, record)


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
        RunRefused: shards are missing or unfinished, a process works on the run, or the data set is not the one that it was made on.
        UnknownName: a metric or the data set is not installed here.
        OSError: the disk is full or unwritable; what was done is kept.
    """
    with _whole_record(out) as record:
        config = replace(config_of_json(record.config), **settings, out=out, shard=None)
        try:
            plan = plan_of_record(record, config, open_dataset(config.dataset, config.root), device)
        except ValueError as error:
            raise RunRefused(f"{out}: {error}") from error
        check_config(config)
        made = [unit for unit in recorded_units(record) if (unit.prediction(out) / PREDICTION_FILE).is_file()]
        units = [unit for unit in made if is_complete(unit.prediction(out))]
        if broken := [unit.key for unit in made if unit not in set(units)]:
            raise RunRefused(
                f"{out}: predictions are damaged ({', '.join(broken[:3])}): run again, which makes them anew"
            )
        jobs = jobs_of(plan, units)
        record = with_provenance(record, device, config.batch)
        handler = log_to(out / "log.txt")
        log.info("rescoring %s: %d units", out, len(units))
        listener.started(plan, len(units))
        try:
            make_executor(plan, len(jobs)).score(WorkerContext.of(plan, rescore=True), jobs, listener.reported)
            return end_run(out, record)
        finally:
            listener.stopped()
            logging.getLogger().removeHandler(handler)
            handler.close()


@contextmanager
def _whole_record(out: Path) -> Iterator[RunRecord]:
    """The record of a run, of its shards together where it has any; the run and all of these are locked meanwhile."""
    if not out.is_dir():
        raise FileNotFoundError(f"{out}: no such folder")
    with ExitStack() as locks:
        paths = sorted(out.glob("run.*of*.json"))
        if not paths and not (out / "run.json").is_file():
            raise FileNotFoundError(f"{out / 'run.json'} is missing: give the folder of a run")
        for name in ("run", *(path.stem for path in paths)):
            locks.enter_context(locked(out, name))
        records = [RunRecord.read(path) for path in paths] or [RunRecord.read(out / "run.json")]
        if paths:
            _check_shards(out, paths, records)
        earlier = [facts for record in records for facts in (*record.earlier_provenance, record.provenance)]
        others = tuple(facts for facts in _distinct(earlier) if facts != records[0].provenance)
        yield records[0].model_copy(update={"merged": bool(paths), "shard": None, "earlier_provenance": others})


def _distinct(provenances: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """One of those with the same code, libraries and machine."""
    return list({canonical_json(code_of(facts)): facts for facts in provenances}.values())


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
