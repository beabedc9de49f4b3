"""The one configuration of a run: its flags, its help, its file and its hash."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from hoibench.problems import Problem, raise_if_any


@dataclass(frozen=True)
class RunConfig:
    """Generate predictions, score them, and build the page; the page's path is the last line printed."""

    method: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A method to run, METHOD or METHOD+PRESET, or NAME=FOLDER for predictions that lie on disk. Repeatable. Without any, the videos data set
    scores all it holds."""

    dataset: str = "synthetic"
    """synthetic, taco, videos, or a data set of an installed package (hoibench ls datasets)."""

    root: Path | None = None
    """Where the data set lies: for taco a download or prepared clips; for synthetic, where its clips are generated instead of the cache."""

    split: str | None = None
    """Which clips: demo, val, test, ... (hoibench ls splits). Default: the data set's own."""

    metrics: str = "paper,offline"
    """Metric ids and presets (paper, offline, all), separated by commas."""

    seed: tyro.conf.UseAppendAction[tuple[int, ...]] = ()
    """A seed of the methods; a ranked generative row needs three. Repeatable. Default: 0."""

    limit: int | None = None
    """Take only this many clips of the split, from a fixed shuffle."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks run."""

    workers: int | None = None
    """Clips worked on at once, each in a process of its own. Default: one on a GPU, else one a core."""

    batch: int = 8
    """Images a network takes at once."""

    executor: Literal["local", "inline"] = "local"
    """local: worker processes. inline: in this process, for a debugger. For several machines use --shard."""

    shard: str | None = None
    """i/n: take the i-th of n parts of the clips (1 <= i <= n); hoibench merge joins them."""

    max_failures: str = "0"
    """Failures that are forgiven: a count, or a share of the units such as 0.1. More give exit code 3."""

    weights: Path | None = None
    """A folder to look for weight files in, before $HOIBENCH_WEIGHTS and the cache."""

    adapter: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """path/to/file.py:Class of a method that is not installed. Repeatable."""

    set: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """METHOD.KEY=VALUE or METHOD+PRESET.KEY=VALUE: a setting that the method declares (hoibench ls settings). Repeatable."""

    preset: str | None = None
    """The preset of the one method that declares presets and is named without; the same as METHOD+PRESET."""

    checkpoint: Path | None = None
    """Weights of the one method that takes them; the same as --set METHOD.checkpoint=PATH."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of the methods' networks; metrics always use fp32."""

    short: Literal["drop", "pad"] = "drop"
    """What happens to recordings shorter than a clip: left out and counted, or filled up with their last frame, which is a split of its own."""

    unit_timeout: float | None = None
    """Seconds after which one method on one clip is given up; loading a clip and a method may take ten times that."""

    config: Path | None = None
    """A TOML file of these settings, or a run.json; flags override it, repeatable flags add to it."""

    dry_run: bool = False
    """Show units, disk and missing weights, and stop."""

    resume: bool = True
    """Keep what an earlier, unfinished run of the same settings left; --no-resume sets that run aside and starts anew."""

    out: Path | None = None
    """The run's folder. Default: runs/DATASET-SPLIT-HASH, so that the same command resumes."""

    json: bool = False
    """Print the summary as one JSON object."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, without repeats, (0,) if none were given."""
        return tuple(dict.fromkeys(self.seed)) or (0,)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The parts of ``metrics``."""
        return tuple(name for name in (part.strip() for part in self.metrics.split(",")) if name)


def check_config(config: RunConfig) -> None:
    """Raise on values that no run can have, naming all of them.

    Raises:
        ValueError: names each flag, its value and what it takes.
    """
    raise_if_any(config_problems(config))


def config_problems(config: RunConfig) -> list[Problem]:
    """Values that no run can have."""
    problems = [
        Problem(flag, "", f"is {value}", f"at least {least}", "")
        for flag, value, least in (
            ("--limit", config.limit, 1),
            ("--workers", config.workers, 1),
            ("--batch", config.batch, 1),
        )
        if value is not None and value < least
    ]
    problems += [
        Problem("--seed", "", f"is {seed}", "0 or more, and less than 2**63", "")
        for seed in config.seeds
        if not 0 <= seed < 2**63
    ]
    if config.unit_timeout is not None and not 0 < config.unit_timeout < math.inf:
        problems.append(Problem("--unit-timeout", "", f"is {config.unit_timeout}", "a number of seconds above 0", ""))
    if config.unit_timeout is not None and config.executor == "inline":
        problems.append(Problem("--unit-timeout", "", "needs a process to end", "", "leave out --executor inline"))
    if not config.metric_names:
        problems.append(
            Problem("--metrics", "", f"is {config.metrics!r}", "ids or presets", "write, e.g., paper,offline")
        )
    for flag, path in (("--checkpoint", config.checkpoint), ("--weights", config.weights)):
        if path is not None and not path.exists():
            problems.append(Problem(flag, "", f"{path} does not exist", "a file or folder", ""))
    if _budget(config.max_failures) is None:
        problems.append(Problem("--max-failures", "", f"is {config.max_failures!r}", _BUDGET, ""))
    if config.shard is not None and _shard(config.shard) is None:
        problems.append(Problem("--shard", "", f"is {config.shard!r}", _SHARD, ""))
    return problems


_BUDGET = "a count such as 3 or a share such as 0.1"
_SHARD = "i/n with 1 <= i <= n, e.g. 1/4"


def parse_budget(text: str, units: int) -> int:
    """How many of ``units`` may fail: ``"3"`` is a count, ``"0.1"`` a share rounded down.

    Raises:
        ValueError: it is neither.
    """
    allowed = _budget(text)
    if allowed is None:
        raise ValueError(f"--max-failures is {text!r}, expected {_BUDGET}")
    return allowed if isinstance(allowed, int) else int(allowed * units)


def _budget(text: str) -> int | float | None:
    try:
        allowed = int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        return None
    return allowed if isinstance(allowed, int) or 0 <= allowed < 1 else None


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """(i, n) of ``"i/n"``.

    Raises:
        ValueError: it is not of that form, or i is not in 1..n.
    """
    shard = None if text is None else _shard(text)
    if text is not None and shard is None:
        raise ValueError(f"--shard is {text!r}, expected {_SHARD}")
    return shard


def _shard(text: str) -> tuple[int, int] | None:
    i, _, n = text.partition("/")
    return (int(i), int(n)) if i.isdigit() and n.isdigit() and 1 <= int(i) <= int(n) else None
