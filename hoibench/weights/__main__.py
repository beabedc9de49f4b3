"""List the registered weight files, or download them: ``python -m hoibench.weights``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from hoibench.plugins import UnknownName
from hoibench.weights.fetching import FetchError, fetch_weights
from hoibench.weights.finding import WeightsDamaged, WeightsMissing, find_weights
from hoibench.weights.registry import Weight, all_weights, get_weight


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line ``arguments``, by default those of the process; return the exit code: 0 success, 1 failed download, 2 usage."""
    parser = argparse.ArgumentParser(prog="python -m hoibench.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("ls", help="list the weights and their files")
    fetching = commands.add_parser("fetch", help="download weights to the cache or to a folder")
    fetching.add_argument("id", nargs="+", help="ids of weights, as listed by `ls`")
    fetching.add_argument("--to", type=Path, metavar="DIR", help="target folder instead of the cache")
    options = parser.parse_args(arguments)
    return _list() if options.command == "ls" else _fetch(options.id, options.to)


def _list() -> int:
    out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    for id, weight in all_weights().items():
        try:
            where = str(find_weights(id))
        except WeightsMissing:
            where = "missing"
        except WeightsDamaged as error:
            where = f"damaged: {error}"
        out.print(f"{id}\t{weight.bytes} bytes\t{weight.licence}\t{where}")
    return 0


def _fetch(ids: Sequence[str], folder: Path | None) -> int:
    out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
    try:
        for weight in [get_weight(id) for id in ids]:
            out.print(str(_fetch_one(weight, folder, errors)))
    except (FetchError, WeightsDamaged) as error:
        errors.print(str(error))
        return 1
    except UnknownName as error:
        errors.print(str(error))
        return 2
    return 0


def _fetch_one(weight: Weight, folder: Path | None, console: Console) -> Path:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(weight.id, total=weight.bytes)
        return fetch_weights(weight, folder, lambda received: bar.update(task, completed=received))


if __name__ == "__main__":
    sys.exit(main())
