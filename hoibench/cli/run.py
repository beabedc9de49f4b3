"""``hoibench run``: generate, score and build the page."""

from __future__ import annotations

import json
import logging
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import tyro
from rich.console import Console

from hoibench.cli.exit_codes import as_crash, to_exit_code
from hoibench.cli.failures_table import print_failures
from hoibench.cli.output import print_result, reserved_stdout
from hoibench.evaluation.config import RunConfig, check_config
from hoibench.evaluation.config_file import to_arguments

if TYPE_CHECKING:
    from hoibench.evaluation.collect_results import Outcome

PROGRAM = "python -m hoibench.run"


def parse_arguments(arguments: Sequence[str]) -> RunConfig:
    """Parse a command line; the settings of its ``--config`` file come before the flags.

    Raises:
        SystemExit: for ``--help`` (0) or wrong flags (2).
        FileNotFoundError, ValueError: the file is missing or wrong; the message names file, key and value.
    """
    path = _find_config_file(arguments)
    file_arguments = [] if path is None else _read_config_file(path)
    return tyro.cli(RunConfig, args=[*file_arguments, *arguments], prog=PROGRAM)


def _find_config_file(arguments: Sequence[str]) -> Path | None:
    for index, word in enumerate(arguments):
        if word == "--config" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def _read_config_file(path: Path) -> list[str]:
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        if not isinstance(table, dict):
            raise ValueError(f"found {table!r:.40}, expected an object")
    except ValueError as error:
        raise ValueError(f"--config {path} is not valid {path.suffix.lstrip('.') or 'TOML'}: {error}") from error
    table = table.get("config", table)
    return to_arguments(f"--config {path}", {key: value for key, value in table.items() if key != "config"})


def run_command(arguments: Sequence[str]) -> int:
    """Run the evaluation, build the leaderboard page and print its path; return 0, or 3 for more failures than allowed."""
    config = parse_arguments(arguments)
    with reserved_stdout() as stdout:
        return _run(config, stdout)


def _run(config: RunConfig, stdout: TextIO) -> int:
    check_config(config)
    console = Console(stderr=True, emoji=False)
    from hoibench.datasets.registry import open_dataset
    from hoibench.evaluation.plan import make_plan

    def print_message(text: str) -> None:
        console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    dataset = open_dataset(config.dataset, config.root, print_message)
    plan = make_plan(config, dataset, resolve_device(config.device))
    for exclusion in plan.manifest.exclusion_summary:
        print_message(f"clips left out, {exclusion}")
    if config.dry_run:
        from hoibench.cli.dry_run import describe

        print_result(describe(plan, dataset), stdout)
        return 0
    from hoibench.cli.progress_bar import make_listener
    from hoibench.evaluation.run import run

    outcome = run(plan, make_listener(console))
    with as_crash():
        return report(outcome, config.json, console, stdout)


def report(outcome: Outcome, as_json: bool, console: Console, stdout: TextIO) -> int:
    """Build the leaderboard page of a run and print its path (for a shard, the run folder) to ``stdout``; return the exit code."""
    page = None
    if outcome.is_shard:
        console.print(
            f"this shard is done; after the last one, run: hoibench merge {_relative(outcome.out)}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    else:
        from leaderboard.build import build

        page = build([outcome.out], outcome.out / "leaderboard")
    if outcome.failures:
        print_failures(console, outcome, _relative(outcome.out))
        over = outcome.exit_code != 0
        console.print(
            f"{len(outcome.failures)} of {outcome.units} units failed"
            + (f", more than --max-failures allows ({outcome.max_failures})" if over else ""),
            style="red" if over else "yellow", markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if as_json:
        summary: dict[str, Any] = {
            "out": str(_relative(outcome.out)), "page": None if page is None else str(_relative(page)), "units": outcome.units,
            "failures": [failure.to_json() for failure in outcome.failures], "status": outcome.status,
        }  # fmt: skip
        print_result(json.dumps(summary), stdout)
    else:
        print_result(str(_relative(page or outcome.out)), stdout)
    return outcome.exit_code


def _relative(path: Path) -> Path:
    """Return the path relative to the working folder, if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def resolve_device(device: str) -> str:
    """Return ``cpu`` or ``cuda`` for a ``--device`` value; ``auto`` is ``cuda`` where torch finds it.

    Raises:
        ValueError: ``--device cuda`` without a CUDA device.
    """
    if device == "cpu":
        return device
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("--device cuda: torch finds no CUDA device; use --device cpu")
    return "cuda" if available else "cpu"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hoibench run``, which generates and scores predictions and builds the leaderboard page; return the exit code."""
    logging.captureWarnings(True)
    return to_exit_code(run_command, sys.argv[1:] if arguments is None else arguments)
