"""Merge the shards of a finished run."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from hoibench.evaluation.collect_results import Outcome, finish_run
from hoibench.evaluation.finished_run import lock_finished_run
from hoibench.evaluation.mirror import Mirror
from hoibench.evaluation.run import lock_run


def merge(out: Path, mirror: Mirror | None = None) -> Outcome:
    """Write the results.parquet and the run.json of a run from all its shards; without shards, write both again.

    Args:
        out: the run's folder.
        mirror: the run's copy in an object store, from which records, rows and failures are downloaded first.

    Raises:
        FileNotFoundError: the folder has no run.
        RunRefused: shards are missing or have different settings, a process is working on the run, or the store has no run or another one.
        RemoteFolderError: the store of the mirror cannot be read.
    """
    if mirror is not None:
        with ExitStack() as locks:
            for name in mirror.records:
                locks.enter_context(lock_run(out, name.removesuffix(".json")))
            mirror.restore_results()
    with lock_finished_run(out) as record:
        return finish_run(out, record)
