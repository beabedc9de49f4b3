"""A run's folder, read back: its record and its rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from hoibench.results.parquet import read_headlines
from hoibench.results.run_record import RunRecord


@dataclass(frozen=True, eq=False)
class Run:
    """One run: its record, and its rows on demand."""

    folder: Path
    record: RunRecord

    @cached_property
    def headlines(self) -> pd.DataFrame:
        """Headline rows of results.parquet (see ``read_headlines``), read once on first use."""
        return read_headlines(self.folder / "results.parquet")


def read_run(folder: Path) -> Run:
    """A run from its folder.

    Raises:
        FileNotFoundError: the folder holds no run.json.
        ValueError: run.json is broken (see ``Record.read``), or names a clip or a method twice.
    """
    path = folder / "run.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; give the folder of a run, as `python -m hoibench.run` writes it"
        )
    return Run(folder, RunRecord.read(path))
