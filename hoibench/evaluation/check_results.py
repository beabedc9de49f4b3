"""The check before a run is packed that its results file has the rows of its score files."""

from __future__ import annotations

from pathlib import Path

from hoibench.evaluation.collect_results import RESULTS_FILE, collect_rows
from hoibench.results.results_file import read_table, to_table
from hoibench.results.run_folder import read_run


def check_results(run: Path) -> None:
    """Check that collecting a run's scores again gives its results.parquet; a folder without scores, as results are published, passes.

    Raises:
        FileNotFoundError: the run has no run.json or no results.parquet.
        ValueError: the rows differ, a file of the run is damaged, or a metric of it is not installed; the message names it.
    """
    record = read_run(run).record
    path = run / RESULTS_FILE
    stored = read_table(path)
    if not (run / "scores").is_dir():
        return
    collected = to_table(collect_rows(run, record))
    if stored.equals(collected):
        return
    difference = f"has {stored.num_rows} rows, but the run's scores give {collected.num_rows}"
    for a, b in zip(stored.to_pylist(), collected.to_pylist(), strict=False):
        if names := [name for name in a if a[name] != b[name]]:
            place = "/".join(str(b[name]) for name in ("method", "seed", "clip", "metric", "region"))
            difference = f"differs from the run's scores in {place}: {names[0]} is {a[names[0]]!r:.100}, not {b[names[0]]!r:.100}"
            break
    raise ValueError(f"{path} {difference}: write it again with `hoibench merge {run}`")
