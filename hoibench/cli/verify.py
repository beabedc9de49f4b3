"""``hoibench verify``: score a random sample of a run again and compare its results."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from hoibench.arguments import parse
from hoibench.cli.data_doctor import PROBLEMS
from hoibench.cli.output import StatusConsole, print_result, reserved_stdout
from hoibench.text import count, printable

if TYPE_CHECKING:
    from hoibench.evaluation.verify import Verification

_MAX_LINES = 30


@dataclass(frozen=True)
class Verify:
    """Score a random sample of a run's stored predictions again, build its reference rows again, and compare the values. The run is only read.

    No method runs, and the data set and the metrics' weights are those of this machine. The exit code is 3 if something differs, else 0.
    """

    run: tyro.conf.Positional[Path]
    """The folder of the run, with its predictions."""

    pack: Path | None = None
    """A pack of the run, whose results and hashes to compare in place of the run's own."""

    share: float = 0.05
    """The share to score again of each method's units (clips times seeds; at least 3), and of those of the reference rows (at least 1)."""

    seed: int | None = None
    """The seed of the sample. Default: a new one, which is printed."""

    tolerance: float = 0.001
    """The largest relative difference of equal values; codecs and libraries of other versions change some in their last digits."""

    root: Path | None = None
    """The data set's folder; the run's own is not used."""

    weights: Path | None = None
    """A folder with weight files, searched before $HOIBENCH_WEIGHTS and the cache."""

    workers: int | None = None
    """Number of worker processes. Default: one on a GPU, else one per core."""

    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """The device of the networks."""

    json: bool = False
    """Print JSON."""


def verify_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench verify``: print what differs; return exit code 3 if something does, else 0."""
    options = parse(Verify, arguments, "hoibench verify")
    if not 0 < options.share <= 1:
        raise ValueError(f"--share is {options.share}, expected a number above 0 and at most 1")
    if not 0 <= options.tolerance < 1:
        raise ValueError(f"--tolerance is {options.tolerance}, expected a number from 0 to below 1")
    from hoibench.cli.run import resolve_device
    from hoibench.cli.run_progress import show_run

    seed = secrets.randbelow(1 << 31) if options.seed is None else options.seed
    with reserved_stdout() as stdout:
        with show_run(StatusConsole()) as display:
            from hoibench.evaluation.verify import VerifySettings, verify

            settings = VerifySettings(
                options.share, seed, options.tolerance, options.root, options.weights, options.workers, options.pack
            )
            found = verify(options.run, settings, resolve_device(options.device), display)
        print_result(_as_json(found, seed) if options.json else _as_text(found, seed), stdout)
    return PROBLEMS if found.problems else 0


def _as_json(found: Verification, seed: int) -> str:
    compared = found.comparison
    return json.dumps(
        {
            "seed": seed,
            "units": [unit.key for unit in found.units],
            "samples": {sample.name: {"units": len(sample.units), "of": sample.total} for sample in found.samples},
            "rows": compared.rows,
            "largest_relative_difference": compared.largest,
            "not_compared": compared.not_compared,
            "problems": [str(problem) for problem in found.problems],
        }
    )


def _as_text(found: Verification, seed: int) -> str:
    compared = found.comparison
    lines = [f"{unit.key}" for unit in found.units[:_MAX_LINES]]
    lines += [f"not compared: {metric}: {reason}" for metric, reason in compared.not_compared.items()]
    lines += [str(problem) for problem in found.problems[:_MAX_LINES]]
    if len(found.problems) > _MAX_LINES:
        lines.append(f"and {count(len(found.problems) - _MAX_LINES, 'more problem')}; --json lists all")
    metric, largest = max(compared.largest.items(), key=lambda item: item[1], default=("", 0.0))
    worst = f", largest relative difference {largest:.2g} ({metric})" if largest else ""
    samples = ", ".join(
        f"{sample.name} {len(sample.units)} of {count(sample.total, 'unit')}" for sample in found.samples
    )
    lines.append(
        f"scored again (--seed {seed}): {samples}; {count(compared.rows, 'row')} compared{worst}: "
        + (count(len(found.problems), "problem") if found.problems else "no difference")
    )
    return printable("\n".join(" ".join(line.split()) for line in lines))
