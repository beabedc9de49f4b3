"""``hoibench merge``: merge the shards of a run, or write a run's table and page again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console


@dataclass(frozen=True)
class Merge:
    """Merge the shards of a run, or write a run's results.parquet and leaderboard page again; the last line printed is the page's path."""

    run: tyro.conf.Positional[Path]
    """The folder of the run."""

    json: bool = False
    """Print the summary as one JSON object."""


def merge_command(arguments: Sequence[str]) -> int:
    """Merge the shards of a run, build its leaderboard page, and return the exit code that the unsharded run would have returned."""
    options = tyro.cli(Merge, args=list(arguments), prog="hoibench merge")
    from hoibench.cli.exit_codes import as_crash
    from hoibench.cli.output import reserved_stdout
    from hoibench.cli.run import report
    from hoibench.evaluation.merge import merge

    with reserved_stdout() as stdout:
        outcome = merge(options.run)
        with as_crash():
            return report(outcome, options.json, Console(stderr=True, emoji=False), stdout)
