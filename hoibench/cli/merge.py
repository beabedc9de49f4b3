"""``hoibench merge``: merge the shards of a run, or write a run's table and page again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from hoibench.arguments import parse


@dataclass(frozen=True)
class Merge:
    """Merge the shards of a run, or write a run's results.parquet and leaderboard page again; the last line printed is the page's path."""

    run: tyro.conf.Positional[Path]
    """The folder of the run."""

    mirror: str | None = None
    """The address at which the shards have stored the run, as given to them; records, rows and failures are copied from there, and the page to it."""

    json: bool = False
    """Print the summary as one JSON object."""


def merge_command(arguments: Sequence[str]) -> int:
    """Merge the shards of a run, build its leaderboard page, and return the exit code that the unsharded run would have returned."""
    options = parse(Merge, arguments, "hoibench merge")
    from hoibench.cli.output import StatusConsole, reserved_stdout
    from hoibench.cli.run import build_page, report
    from hoibench.cli.run_progress import show_run

    console = StatusConsole()
    with reserved_stdout() as stdout:
        with show_run(console) as display:
            from hoibench.evaluation.merge import merge
            from hoibench.evaluation.mirror import open_mirror

            with open_mirror(options.mirror, options.run) as mirror:
                outcome = merge(options.run, mirror)
                page = build_page(outcome, display, mirror)
        return report(outcome, page, options.json, console, stdout)
