"""The stage of a run in which a data set generates the clips that it does not have yet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Dataset
from hoibench.datasets.registry import open_dataset
from hoibench.evaluation.executor import count_workers
from hoibench.evaluation.failures import is_fatal
from hoibench.evaluation.plan import Plan
from hoibench.evaluation.run_progress import RunProgress
from hoibench.evaluation.stage_times import log_time
from hoibench.evaluation.worker_calls import log_to_file
from hoibench.processes import OnLine, OutputLog, TaskPool, Worker
from hoibench.progress import Progress

log = logging.getLogger(__name__)


def generate_clips(plan: Plan, progress: RunProgress, on_line: OnLine | None = None) -> None:
    """Generate the clips of a plan that its data set does not have yet, in the order of the plan.

    A clip that fails is only logged: its units will fail with the same error.  On a Ray cluster nothing is done: each node generates the clips of its
    units when it loads them.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    clips = {unit.clip for unit in plan.units}
    entries = [entry for entry in plan.clips_to_generate if entry.id in clips]
    if not entries or plan.config.executor == "ray":
        return
    done = 0

    def generate(entry: ClipEntry, call: Callable[[ClipEntry], None]) -> None:
        nonlocal done
        progress.show(Progress("clips", done, len(entries), clip=entry.id))
        try:
            call(entry)
        except Exception as error:
            if is_fatal(error):
                raise
            log.exception("clip %s cannot be generated", entry.id)
        done += 1
        progress.show(Progress("clips", done, len(entries)))

    config = plan.config
    if config.executor == "inline":
        dataset = open_dataset(config.dataset, config.root)
        for entry in entries:
            generate(entry, dataset.ensure)
        return

    def run_job(worker: Worker, entry: ClipEntry) -> None:
        assert worker.output is not None
        worker.output.switch(plan.out / "logs" / f"clips{f'-{worker.number}' if worker.number else ''}.log", "clips")
        generate(entry, partial(worker.call, _ensure_clip))

    workers = count_workers(config, "cpu", len(entries), scores=False)
    arguments = (plan.out, config.dataset, config.root)
    TaskPool(workers, _open_dataset, arguments, partial(OutputLog, on_line), preloaded=True).run(entries, run_job)


_dataset: Dataset | None = None
"""In a worker process: the open data set."""


def _open_dataset(out: Path, name: str, root: Path | None) -> None:
    global _dataset
    log_to_file(out / "log.txt")
    _dataset = open_dataset(name, root)


def _ensure_clip(entry: ClipEntry) -> None:
    assert _dataset is not None
    with log_time("generate", entry.id, "clip"):
        _dataset.ensure(entry)
