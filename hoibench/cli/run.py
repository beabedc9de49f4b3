"""``hoibench run``: generate, score and build the page."""

from __future__ import annotations

import ctypes
import json
import logging
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

from hoibench.arguments import parse
from hoibench.cli.exit_codes import USAGE, as_crash, to_exit_code
from hoibench.cli.failures_table import print_failures
from hoibench.cli.output import StatusConsole, print_result, reserved_stdout
from hoibench.cli.run_progress import RunDisplay, show_run
from hoibench.evaluation.config import RunConfig
from hoibench.problems import Problem, ProblemsFound, raise_if_any
from hoibench.processes import start_preloading
from hoibench.progress import Progress
from hoibench.text import count

if TYPE_CHECKING:
    from hoibench.datasets.base import Dataset
    from hoibench.evaluation.collect_results import Outcome
    from hoibench.evaluation.mirror import Mirror
    from hoibench.evaluation.plan import Plan
    from hoibench.evaluation.preflight import Findings
    from hoibench.progress import MessageCallback

PROGRAM = "python -m hoibench.run"


def parse_arguments(arguments: Sequence[str]) -> RunConfig:
    """Parse a command line; the settings of its ``--config`` file come before the flags, without those of installed methods that do not run.

    Raises:
        SystemExit: for ``--help`` (0) or wrong flags (2).
        FileNotFoundError, ValueError: the file is missing or wrong; the message names file, key and value.
    """
    path = _find_config_file(arguments)
    file_arguments = [] if path is None else read_config_file(path)
    if any(word.partition("=")[0] == "--metrics" for word in arguments) and "--metrics" in file_arguments:
        place = file_arguments.index("--metrics")
        del file_arguments[place : place + 2]
    config = parse(RunConfig, [*file_arguments, *arguments], PROGRAM)
    unused = _settings_of_other_methods(file_arguments, config.method)
    return replace(config, set=tuple(text for text in config.set if text not in unused))


def _settings_of_other_methods(file_arguments: Sequence[str], names: Sequence[str]) -> set[str]:
    """Return the settings in a configuration file that belong to installed methods which are not named."""
    settings = [value for flag, value in pairwise(file_arguments) if flag == "--set"]
    if not settings:
        return set()
    from hoibench.methods.entrants import setting_target
    from hoibench.methods.registry import installed_specs

    others = installed_specs().keys() - {name.partition("=")[0].partition("+")[0] for name in names}
    return {text for text in settings if setting_target(text).partition("+")[0] in others}


def _find_config_file(arguments: Sequence[str]) -> Path | None:
    for index, word in enumerate(arguments):
        if word == "--config" and index + 1 < len(arguments):
            return Path(arguments[index + 1])
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None


def read_config_file(path: Path) -> list[str]:
    """Return the settings in a configuration file as command-line arguments; raises the errors of ``parse_arguments``."""
    if not path.is_file():
        raise FileNotFoundError(f"--config {path}: no such file")
    try:
        text = path.read_text(encoding="utf-8")
        table = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        if not isinstance(table, dict):
            raise ValueError(f"found {table!r:.40}, expected an object")
    except ValueError as error:
        raise ValueError(f"--config {path} is not valid {path.suffix.lstrip('.') or 'TOML'}: {error}") from error
    from hoibench.evaluation.config_file import to_arguments

    table = table.get("config", table)
    return to_arguments(f"--config {path}", {key: value for key, value in table.items() if key != "config"})


def run_command(arguments: Sequence[str]) -> int:
    """Run the evaluation, build the leaderboard page and print its path; return 0, or 3 for more failures than allowed."""
    config = parse_arguments(arguments)
    with reserved_stdout() as stdout:
        try:
            return _run(config, stdout)
        except ValueError as error:
            if config.json:
                problems = error.problems if isinstance(error, ProblemsFound) else [error]
                print_result(json.dumps({"status": "refused", "problems": [str(each) for each in problems]}), stdout)
            raise


def _run(config: RunConfig, stdout: TextIO) -> int:
    console = StatusConsole()
    with show_run(console) as display:
        plan, dataset, findings = _load(config, display)
        refusals = findings.refusals(keep_going=config.keep_going)
        methods = {entrant.key for entrant in plan.entrants if entrant.spec.kind != "reference"}
        if findings.cannot_start and methods - findings.cannot_start.keys() and not config.keep_going:
            display.print("--keep-going runs the methods that can start, and records the others as failed", "dim")
        if not config.dry_run:
            raise_if_any(refusals)
            for problem in findings.allowed(keep_going=config.keep_going):
                display.print(f"warning: {problem}", "dim")
            from hoibench.evaluation.mirror import open_mirror
            from hoibench.evaluation.run import run

            with open_mirror(config.mirror, plan.out) as mirror:
                outcome = run(plan, display, findings.cannot_start, mirror)
                page = build_page(outcome, display, mirror)
    if config.dry_run:
        from hoibench.cli.dry_run import describe

        print_result(describe(plan, dataset, findings), stdout)
        return USAGE if refusals else 0
    return report(outcome, page, config.json, console, stdout)


def _load(config: RunConfig, display: RunDisplay) -> tuple[Plan, Dataset, Findings]:
    """Open the data set, make the plan of a run and check it.

    Raises:
        ProblemsFound: lists every problem of a configuration that gives no plan.
    """
    from hoibench.evaluation.preflight import preflight

    print_message = partial(display.print, style="dim")
    if config.adapter:
        display.on_progress(Progress("loading", detail=f"importing {', '.join(config.adapter)}"))
    plan, dataset = _plan(config, print_message)
    if not config.dry_run and (modules := plan.modules_of_workers):
        start_preloading(modules)
    for exclusion in plan.manifest.exclusion_summary:
        print_message(f"clips left out, {exclusion}")
    return plan, dataset, preflight(plan, dataset, lambda text: display.on_progress(Progress("loading", detail=text)))


def _plan(config: RunConfig, print_message: MessageCallback) -> tuple[Plan, Dataset]:
    """Open the data set and make the plan of a run.

    Raises:
        ProblemsFound: lists every problem of the configuration.
    """
    from hoibench.datasets.registry import open_dataset
    from hoibench.evaluation.plan import make_plan
    from hoibench.evaluation.plan_problems import find_plan_problems

    dataset = None
    problems: list[Problem] = []
    try:
        dataset = open_dataset(config.dataset, config.root, print_message)
    except (ValueError, OSError) as error:
        problems.append(Problem.from_text(str(error)))
    try:
        may_be_elsewhere = (
            config.executor == "ray" and config.device == "cuda"
        )  # the machine that starts a run on a cluster may have no GPU
        device = "cuda" if may_be_elsewhere else resolve_device(config.device)
        if dataset is not None:
            return make_plan(config, dataset, device), dataset
    except (ValueError, OSError) as error:
        found = [*problems, *find_plan_problems(config, dataset)]
        if str(error).startswith("--device") or not found:
            found.append(Problem.from_text(str(error)))
        raise ProblemsFound(found) from error
    raise ProblemsFound([*problems, *find_plan_problems(config, None)])


def build_page(outcome: Outcome, display: RunDisplay, mirror: Mirror | None = None) -> Path | None:
    """Build the leaderboard page of a run and return its path; None for a shard.  The run's mirror, if any, gets it, and all else that it lacks.

    Raises:
        Crash: the page cannot be built.
        RemoteFolderError: the store of the mirror cannot be read or written.
    """
    page = None
    if not outcome.is_shard:
        display.on_progress(Progress("page"))
        if mirror is not None:
            mirror.restore_clips(_clips_with_videos(outcome.out))
        with as_crash():
            from leaderboard.build import build

            page = build([outcome.out], outcome.out / "leaderboard", on_progress=display.on_progress)
    if mirror is not None:
        mirror.upload_results()
    return page


def _clips_with_videos(out: Path) -> set[str]:
    """Return the ids of the clips whose videos and points the page of a run shows."""
    from hoibench.metric_card import all_cards
    from hoibench.results.board import build_boards
    from hoibench.results.run_folder import read_run
    from leaderboard.build import SiteOptions
    from leaderboard.clip_choice import choose_clips

    with as_crash():
        boards = build_boards([read_run(out)], all_cards())
        count = SiteOptions().media_clips
        return {board.clips[c].id for board in boards for c in choose_clips(board, count)}


def report(outcome: Outcome, page: Path | None, as_json: bool, console: Console, stdout: TextIO) -> int:
    """Print how a run ended, and the path of its page (for a shard, of the run folder) to ``stdout``; return the exit code."""
    if outcome.is_shard:
        console.print(
            f"this shard is done; after the last one, run: hoibench merge {_relative(outcome.out)}",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    if outcome.failures:
        print_failures(console, outcome, _relative(outcome.out))
        over = outcome.exit_code != 0
        console.print(
            f"{len(outcome.failures)} of {count(outcome.units, 'unit')} failed"
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
    if device == "cpu" or (device == "auto" and not _may_have_gpu()):
        return "cpu"
    import torch

    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise ValueError("--device cuda: torch finds no CUDA device; use --device cpu")
    return "cuda" if available else "cpu"


def _may_have_gpu() -> bool:
    """Return False if a look at the drivers, much quicker than importing torch, shows that torch would find no GPU."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hoibench run``, which generates and scores predictions and builds the leaderboard page; return the exit code."""
    logging.captureWarnings(True)
    return to_exit_code(run_command, sys.argv[1:] if arguments is None else arguments)
