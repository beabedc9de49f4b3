"""``hoibench pack``: write the results of a run as a small folder to publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from hoibench.arguments import parse


@dataclass(frozen=True)
class Pack:
    """Write a run's record, result rows and hashes to a folder without predictions and videos; the last line printed is its path.

    Folders of absolute paths and the output of methods are left out; the record still has the command and the settings of methods: read it before
    you publish it. Rows that are not those of the run's scores are refused. hoibench validate checks a pack, and hoibench verify compares it with
    the run's predictions.
    """

    run: tyro.conf.Positional[Path]
    """The folder of the run."""

    out: Path | None = None
    """The folder to write. Default: RUN-pack, beside the run."""


def pack_command(arguments: Sequence[str]) -> int:
    """Write the pack, and return the exit code."""
    options = parse(Pack, arguments, "hoibench pack")
    from hoibench.evaluation.check_results import check_results
    from hoibench.results.pack import write_pack

    run = options.run.absolute()
    out = options.out or run.with_name(f"{run.name}-pack")
    check_results(run)
    write_pack(run, out)
    print(out)
    return 0
