"""``hoibench merge``: join the shards of a run, or redo the table and page of a whole one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console


@dataclass(frozen=True)
class Merge:
    """Join the shards of a run, or redo the table and page of a whole one; prints the page's path last."""

    run: tyro.conf.Positional[Path]
    """The run's folder."""

    json: bool = False
    """Print the summary as one JSON object."""


def merge_command(arguments: Sequence[str]) -> int:
    """Merge and build the page; the exit code, as the run's would be."""
    options = tyro.cli(Merge, args=list(arguments), prog="hoibench merge")
    from hoibench.cli.exit_codes import as_crash
    from hoibench.cli.run import report
    from hoibench.evaluation.merge import merge

    outcome = merge(options.run)
    with as_crash():
        return report(outcome, options.json, Console(stderr=True))
