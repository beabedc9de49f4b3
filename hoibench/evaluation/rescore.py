"""Score the stored predictions of a finished run again."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.build_run_record import RunRefused, with_provenance
from hoibench.evaluation.collect_results import Outcome, all_units, finish_run
from hoibench.evaluation.config import check_config
from hoibench.evaluation.config_file import config_from_json
from hoibench.evaluation.executor import choose_executor
from hoibench.evaluation.finished_run import lock_finished_run
from hoibench.evaluation.plan import plan_from_record
from hoibench.evaluation.run import group_by_clip
from hoibench.evaluation.run_progress import RunListener, RunProgress
from hoibench.evaluation.worker import WorkerContext
from hoibench.evaluation.worker_calls import log_to_file
from hoibench.predictions import PREDICTION_FILE, is_complete

log = logging.getLogger(__name__)


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
    with lock_finished_run(out) as record:
        # The record lists the clips that are left after --exclude, whose file may be gone.
        config = replace(
            config_from_json(record.config), **settings, out=out, shard=None, executor="local", exclude=None
        )
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
        listener.on_start(plan, units)
        try:
            context = WorkerContext.from_plan(plan, rescore=True)
            choose_executor(plan, len(jobs)).score(context, jobs, RunProgress(units, listener))
            return finish_run(out, record)
        finally:
            logging.getLogger().removeHandler(handler)
            handler.close()
