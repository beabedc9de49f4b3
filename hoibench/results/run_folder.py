"""Run folders: run.json and results.parquet together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from hoibench.results.results_file import read_headlines
from hoibench.results.run_record import RunRecord


@dataclass(frozen=True, eq=False)
class Run:
    """A run: its folder, the record in its run.json, and its results, which are read on first use."""

    folder: Path
    record: RunRecord

    @cached_property
    def headlines(self) -> pd.DataFrame:
        """The rows of results.parquet with the values of whole clips, see ``read_headlines``."""
        return read_headlines(self.folder / "results.parquet")


def read_run(folder: Path) -> Run:
    """Read the run.json of a run's folder and return the run.

    Raises:
        FileNotFoundError: the folder has no run.json.
        ValueError: run.json is invalid (see ``Record.read``), or lists a clip or a method twice.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give a run folder as written by `python -m hoibench.run`")
    return Run(folder, RunRecord.read(path))
