"""``python -m hoibench.weights``: list the registered weights, or fetch one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from hoibench.plugins import UnknownName
from hoibench.weights.fetching import FetchFailed, fetch
from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find
from hoibench.weights.registry import Weight, all_weights, weight


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 the file could not be had, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m hoibench.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ls", help="list the weights and where they lie")
    fetching = commands.add_parser("fetch", help="download weights into the cache, or into a folder")
    fetching.add_argument("id", nargs="+", help="ids, as `ls` shows them")
    fetching.add_argument("--to", type=Path, metavar="DIR", help="folder to put them in instead of the cache")
    options = parser.parse_args(arguments)
    return _list() if options.command == "ls" else _fetch(options.id, options.to)


def _list() -> int:
    out = Console(soft_wrap=True, highlight=False, markup=False)
    for id, known in all_weights().items():
        try:
            where = str(find(id))
        except WeightsMissing:
            where = "absent"
        except WeightsDamaged as error:
            where = f"broken: {error}"
        out.print(f"{id}\t{known.bytes} bytes\t{known.licence}\t{where}")
    return 0


def _fetch(ids: Sequence[str], folder: Path | None) -> int:
    out = Console(soft_wrap=True, highlight=False, markup=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    try:
        for wanted in [weight(id) for id in ids]:
            out.print(str(_fetch_one(wanted, folder, errors)))
    except (FetchFailed, WeightsDamaged) as error:
        errors.print(str(error))
        return 1
    except UnknownName as error:
        errors.print(str(error))
        return 2
    return 0


def _fetch_one(wanted: Weight, folder: Path | None, console: Console) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(wanted.id, total=wanted.bytes)
        return fetch(wanted, folder, lambda received: bar.update(task, completed=received))


if __name__ == "__main__":
    sys.exit(main())
