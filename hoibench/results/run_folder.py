"""Folders of runs: run.json and results.parquet together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from hoibench.results.results_file import read_headlines
from hoibench.results.run_record import RunRecord


@dataclass(frozen=True, eq=False)
class Run:
    """A run's folder and record; results are read on first use."""

    folder: Path
    record: RunRecord

    @cached_property
    def headlines(self) -> pd.DataFrame:
        """The headline rows of results.parquet, see ``read_headlines``."""
        return read_headlines(self.folder / "results.parquet")


def read_run(folder: Path) -> Run:
    """Read the run in a folder.

    Raises:
        FileNotFoundError: the folder has no run.json.
        ValueError: run.json is invalid (see ``Record.read``), or lists a clip or a method twice.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give a run folder as written by `python -m hoibench.run`")
    return Run(folder, RunRecord.read(path))
