"""Merge the shards of a finished run."""

from __future__ import annotations

from pathlib import Path

from hoibench.evaluation.collect_results import Outcome, finish_run
from hoibench.evaluation.finished_run import lock_finished_run


def merge(out: Path) -> Outcome:
    """Write the results.parquet and the run.json of a run from all its shards; without shards, write both again.

    Raises:
        FileNotFoundError: the folder has no run.
        RunRefused: shards are missing or have different settings, or a process is working on the run.
    """
    with lock_finished_run(out) as record:
        return finish_run(out, record)
