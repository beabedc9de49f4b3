"""Commands on a finished run: merge its shards, or score its stored predictions again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.build_run_record import RunRefused, environment_facts, with_provenance
from hoibench.evaluation.collect_results import Outcome, all_units, finish_run
from hoibench.evaluation.config import check_config, parse_shard
from hoibench.evaluation.config_file import config_from_json
from hoibench.evaluation.executor import choose_executor, log_to_file
from hoibench.evaluation.plan import plan_from_record
from hoibench.evaluation.run import RunListener, group_by_clip, lock_run
from hoibench.evaluation.worker import WorkerContext
from hoibench.predictions import PREDICTION_FILE, is_complete
from hoibench.results.run_record import RunRecord
from hoibench.store import canonical_json

log = logging.getLogger(__name__)


def merge(out: Path) -> Outcome:
    """Write the results.parquet and the run.json of a run from all its shards; without shards, write both again.

    Raises:
        FileNotFoundError: the folder has no run.
        RunRefused: shards are missing or have different settings, or a process is working on the run.
    """
    with _locked_record(out) as record:
        return finish_run(out, record)


def rescore(out: Path, settings: Mapping[str, Any], device: str, listener: RunListener) -> Outcome:
    """Score the stored predictions of a finished run (or of all its shards) again, and write its table and record.

    The methods need not be installed.  A unit keeps its old rows until its new ones are complete.

    Args:
        out: the run's folder.
        settings: fields of ``RunConfig`` to change: root, weights, workers, batch, unit_timeout.
        device: torch device of the metrics' networks.
        listener: shows the progress.

    Raises:
        FileNotFoundError: the folder has no run.
        RunRefused: shards are missing or unfinished, a process is working on the run, or the data set differs from the run's.
        UnknownName: a metric or the data set is not installed.
        OSError: the disk is full or unwritable; completed units are kept.
    """
    with _locked_record(out) as record:
        config = replace(config_from_json(record.config), **settings, out=out, shard=None)
        try:
            plan = plan_from_record(record, config, open_dataset(config.dataset, config.root), device)
        except ValueError as error:
            raise RunRefused(f"{out}: {error}") from error
        check_config(config)
        stored = [unit for unit in all_units(record) if (unit.prediction_folder(out) / PREDICTION_FILE).is_file()]
        units = [unit for unit in stored if is_complete(unit.prediction_folder(out))]
        if damaged := [unit.key for unit in stored if unit not in set(units)]:
            raise RunRefused(f"{out}: predictions are damaged ({', '.join(damaged[:3])}): run again to replace them")
        jobs = group_by_clip(plan, units)
        record = with_provenance(record, device, config.batch)
        handler = log_to_file(out / "log.txt")
        log.info("rescoring %s: %d units", out, len(units))
        listener.on_start(plan, len(units))
        try:
            context = WorkerContext.from_plan(plan, rescore=True)
            choose_executor(plan, len(jobs)).score(context, jobs, listener.on_report)
            return finish_run(out, record)
        finally:
            listener.on_end()
            logging.getLogger().removeHandler(handler)
            handler.close()


@contextmanager
def _locked_record(out: Path) -> Iterator[RunRecord]:
    """Lock the run folder and all its shards, and yield one run record that combines the records of the shards."""
    with ExitStack() as locks:
        paths = sorted(out.glob("run.*of*.json"))
        if not paths and not (out / "run.json").is_file():
            raise FileNotFoundError(f"{out} is not the folder of a run: it has no run.json")
        for name in ("run", *(path.stem for path in paths)):
            locks.enter_context(lock_run(out, name))
        records = [RunRecord.read(path) for path in paths] or [RunRecord.read(out / "run.json")]
        if paths:
            _check_shards(out, paths, records)
        provenances = [facts for record in records for facts in (*record.earlier_provenance, record.provenance)]
        earlier = tuple(facts for facts in _drop_repeats(provenances) if facts != records[0].provenance)
        yield records[0].model_copy(update={"merged": bool(paths), "shard": None, "earlier_provenance": earlier})


def _drop_repeats(provenances: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Drop a provenance if a later one has the same code, libraries, machine and device."""
    return list({canonical_json(environment_facts(facts)): facts for facts in provenances}.values())


def _check_shards(out: Path, paths: Sequence[Path], records: Sequence[RunRecord]) -> None:
    n = parse_shard(records[0].shard)
    wanted = [f"run.{i}of{n[1]}.json" for i in range(1, n[1] + 1)] if n else []
    missing = sorted(set(wanted) - {path.name for path in paths})
    if missing:
        raise RunRefused(f"{out} has no {', '.join(missing)}: run the other shards first")
    for path, record in zip(paths, records, strict=True):
        if record.config_hash != records[0].config_hash:
            raise RunRefused(f"{path} has other settings than {paths[0].name}: they belong to different runs")
        if record.exit.status not in ("done", "over_budget"):
            raise RunRefused(f"{path} is {record.exit.status}: finish that shard first")
