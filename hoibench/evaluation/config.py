"""The configuration of a run: its flags, their help texts, and the checks of their values."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from hoibench.arguments import split_at_commas
from hoibench.problems import Problem, raise_if_any

_WHAT = {"group": "what to run"}
_DATA = {"group": "data"}
_METRICS = {"group": "metrics"}
_MACHINE = {"group": "machine"}
_FAILURES = {"group": "failures and resuming"}
_OUTPUT = {"group": "output"}


@dataclass(frozen=True)
class RunConfig:
    """Generate predictions, score them, and build the leaderboard page; the last line printed is the page's path."""

    method: tuple[str, ...] = field(default=(), metadata=_WHAT | {"metavar": "METHOD"})
    """A method to run: METHOD[+PRESET], or NAME=FOLDER or NAME=FILE.zip for stored predictions. Default: the published methods of the data set."""

    dataset: str = field(default="synthetic", metadata=_DATA | {"metavar": "NAME"})
    """synthetic, taco, videos, or a data set of an installed package (see hoibench ls datasets)."""

    root: Path | None = field(default=None, metadata=_DATA | {"metavar": "FOLDER"})
    """The data set's folder. taco: a download or prepared clips. synthetic: where to generate the clips, instead of the cache."""

    split: str | None = field(default=None, metadata=_DATA | {"metavar": "NAME"})
    """The split: demo, val, test, ... (see hoibench ls splits). Default: the data set's default split."""

    metrics: str = field(default="headline,offline", metadata=_METRICS | {"metavar": "NAME", "joined": True})
    """Metric ids and sets (paper, headline, offline, interaction, all)."""

    seed: tuple[int, ...] = field(default=(), metadata=_WHAT)
    """A seed for the methods; a ranked generative row needs three. Default: 0."""

    limit: int | None = field(default=None, metadata=_DATA)
    """Use only this many clips of the split, from a fixed shuffle."""

    frozen_self: bool = field(default=True, metadata=_WHAT)
    """Score frozen_self/METHOD with each method: its own first frame, repeated. With --no-frozen-self only those that --method names."""

    exclude: Path | None = field(default=None, metadata=_DATA | {"metavar": "FILE"})
    """Leave out the clips that this file lists, e.g. those that hoibench data doctor --suspects wrote."""

    device: Literal["auto", "cpu", "cuda"] = field(default="auto", metadata=_MACHINE)
    """The device of the networks."""

    workers: int | None = field(default=None, metadata=_MACHINE)
    """Number of worker processes, each on one clip at a time. Default: one per GPU with --device cuda, else one per core; on Ray, as many as fit."""

    batch: int = field(default=8, metadata=_MACHINE)
    """Number of images that a network processes at once."""

    executor: Literal["local", "inline", "ray"] = field(default="local", metadata=_MACHINE)
    """local: worker processes. inline: this process, for a debugger. ray: the nodes of a Ray cluster. Other clusters: see --shard."""

    ray_address: str | None = field(default=None, metadata=_MACHINE | {"metavar": "HOST:PORT"})
    """With --executor ray: the cluster's address, or auto for the one of this machine. Default: $RAY_ADDRESS, else this machine alone."""

    scorer_gpus: float = field(default=0.5, metadata=_MACHINE | {"metavar": "SHARE"})
    """With --executor ray and GPUs: the share of a GPU that a worker takes for the metrics. A worker that generates takes a whole one."""

    shard: str | None = field(default=None, metadata=_MACHINE | {"metavar": "I/N"})
    """i/n: run part i of n of the clips (1 <= i <= n); join the parts with hoibench merge."""

    max_failures: str = field(default="0", metadata=_FAILURES | {"metavar": "N"})
    """Failures that are allowed: a count, or a share of the units such as 0.1. With more, the exit code is 3."""

    weights: Path | None = field(default=None, metadata=_METRICS | {"metavar": "FOLDER"})
    """A folder with weight files, searched before $HOIBENCH_WEIGHTS and the cache."""

    keep_going: bool = field(default=False, metadata=_FAILURES)
    """With several methods: run the others if one cannot start, and record its units as failed."""

    adapter: tuple[str, ...] = field(default=(), metadata=_WHAT | {"metavar": "FILE.py:CLASS"})
    """path/to/file.py:Class of a method that is not installed."""

    set: tuple[str, ...] = field(default=(), metadata=_WHAT | {"metavar": "METHOD.KEY=VALUE", "whole": True})
    """A setting of a method, or of METHOD+PRESET (see hoibench ls settings); repeat it for several, since a value may have commas."""

    preset: str | None = field(default=None, metadata=_WHAT | {"metavar": "PRESET"})
    """The preset of the method, if only one has presets and none is named. Same as METHOD+PRESET."""

    checkpoint: Path | None = field(default=None, metadata=_WHAT)
    """The weights of the method, if only one takes a checkpoint. Same as --set METHOD.checkpoint=PATH."""

    precision: Literal["fp32", "bf16"] = field(default="fp32", metadata=_WHAT)
    """Precision of the methods' networks; metrics always use fp32."""

    short: Literal["drop", "pad"] = field(default="drop", metadata=_DATA)
    """Recordings shorter than a clip: drop leaves them out and counts them, pad repeats their last frame and is a split of its own."""

    unit_timeout: float | None = field(default=None, metadata=_FAILURES | {"metavar": "SECONDS"})
    """Time limit in seconds for one method on one clip; loading the clip and the method may each take ten times as long."""

    config: Path | None = field(default=None, metadata=_WHAT | {"metavar": "FILE"})
    """A TOML file with these settings, or a run.json; flags override its values, repeatable flags add to them."""

    dry_run: bool = field(default=False, metadata=_OUTPUT)
    """Print the units, disk space and missing weights of the run, without running it."""

    resume: bool = field(default=True, metadata=_FAILURES)
    """Keep the completed units of an interrupted run with the same settings; --no-resume renames its folder and starts again."""

    out: Path | None = field(default=None, metadata=_OUTPUT | {"metavar": "FOLDER"})
    """The run's folder. Default: runs/DATASET-SPLIT-HASH, so that the same command resumes."""

    mirror: str | None = field(default=None, metadata=_OUTPUT | {"metavar": "URL"})
    """Copy the run's folder to an object store as it grows, e.g. s3://BUCKET/FOLDER; a machine without the folder goes on from there."""

    verbose: bool = field(default=False, metadata=_OUTPUT)
    """Print the output of methods as it comes, each line after the method's name; it also stands in the run's folder logs/."""

    json: bool = field(default=False, metadata=_OUTPUT)
    """Print the summary as one JSON object."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds without repeats; (0,) if none were given."""
        return tuple(dict.fromkeys(self.seed)) or (0,)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names in ``metrics``."""
        return tuple(split_at_commas(self.metrics))


def check_config(config: RunConfig) -> None:
    """Check the values of all settings.

    Raises:
        ValueError: lists every wrong value with its flag and what is expected.
    """
    raise_if_any(find_config_problems(config))


def find_config_problems(config: RunConfig) -> list[Problem]:
    """Return the settings with wrong values."""
    problems = [
        Problem(flag, "", f"is {value}", "at least 1", "")
        for flag, value in (("--limit", config.limit), ("--workers", config.workers), ("--batch", config.batch))
        if value is not None and value < 1
    ]
    problems += [
        Problem("--seed", "", f"is {seed}", "0 or more, and less than 2**63", "")
        for seed in config.seeds
        if not 0 <= seed < 2**63
    ]
    if config.unit_timeout is not None and not 0 < config.unit_timeout < math.inf:
        problems.append(Problem("--unit-timeout", "", f"is {config.unit_timeout}", "a number of seconds above 0", ""))
    if config.unit_timeout is not None and config.executor == "inline":
        problems.append(Problem("--unit-timeout", "", "needs worker processes", "", "leave out --executor inline"))
    problems += _find_ray_problems(config)
    if config.shard is not None and not config.resume:
        fix = "delete the run's folder, or give another --out"
        problems.append(Problem("--no-resume", "", "would also rename the other shards", "", fix))
    problems += _find_mirror_problems(config)
    if not config.metric_names:
        problems.append(
            Problem("--metrics", "", f"is {config.metrics!r}", "ids or sets", "write, e.g., headline,offline")
        )
    for flag, path in (
        ("--checkpoint", config.checkpoint),
        ("--weights", config.weights),
        ("--exclude", config.exclude),
    ):
        if path is not None and not path.exists():
            problems.append(Problem(flag, "", f"{path} does not exist", "a file or folder", ""))
    if _parse_count_or_share(config.max_failures) is None:
        problems.append(Problem("--max-failures", "", f"is {config.max_failures!r}", _COUNT_OR_SHARE, ""))
    if config.shard is not None and _parse_shard(config.shard) is None:
        problems.append(Problem("--shard", "", f"is {config.shard!r}", _SHARD, ""))
    return problems


def _find_mirror_problems(config: RunConfig) -> list[Problem]:
    problems = []
    if config.out is not None and _ADDRESS.match(str(config.out)):
        fix = "give the address as --mirror; --out is the local folder, from which it is copied"
        problems.append(Problem("--out", "", f"is {config.out}", "a folder", fix))
    if config.mirror is None:
        return problems
    from hoibench.store.remote_folder import ADVICE_ON_KEYS, has_password

    if "://" not in config.mirror:
        problems.append(Problem("--mirror", "", f"is {config.mirror!r}", "an address such as s3://BUCKET/FOLDER", ""))
    if has_password(config.mirror):
        problems.append(Problem("--mirror", "", "has a user name and a password", "", ADVICE_ON_KEYS))
    if not config.resume:
        problems.append(Problem("--no-resume", "", "would mix two runs in the store", "", "give another --mirror"))
    return problems


def _find_ray_problems(config: RunConfig) -> list[Problem]:
    problems = []
    if not 0 < config.scorer_gpus <= 1:
        problems.append(Problem("--scorer-gpus", "", f"is {config.scorer_gpus:g}", "above 0, and at most 1", ""))
    if config.executor == "ray" and find_spec("ray") is None:
        problems.append(
            Problem("--executor ray", "", "needs Ray, which is not installed", "", "pip install 'hoibench[ray]'")
        )
    if config.ray_address is not None and config.executor != "ray":
        problems.append(Problem("--ray-address", "", f"is {config.ray_address}", "", "add --executor ray"))
    if config.executor == "ray":
        problems += _find_ray_address_problems(config)
    return problems


def _find_ray_address_problems(config: RunConfig) -> list[Problem]:
    address = config.ray_address or os.environ.get("RAY_ADDRESS", "")
    source = "--ray-address" if config.ray_address else "RAY_ADDRESS"
    if address.startswith("ray://"):
        fix = "run the command on a node of the cluster, e.g. by `ray job submit`, with --ray-address auto"
        return [Problem(source, "", f"is {address}, for Ray's client", "", fix)]
    host, _, port = address.rpartition(":")
    is_host_and_port = host and "/" not in host and port.isdecimal() and 0 < int(port) < 2**16
    if address in ("", "auto", "local") or is_host_and_port:
        return []
    return [Problem(source, "", f"is {address!r}", "HOST:PORT, e.g. 10.0.0.1:6379, or auto", "")]


_ADDRESS = re.compile(r"^[a-z0-9+]{2,}:/")  # as a path, which has lost a slash
_COUNT_OR_SHARE = "a count such as 3 or a share such as 0.1"
_SHARD = "i/n with 1 <= i <= n, e.g. 1/4"


def parse_max_failures(text: str, units: int) -> int:
    """Return how many of ``units`` may fail: ``"3"`` is a count, ``"0.1"`` a share, rounded down.

    Raises:
        ValueError: the text is neither.
    """
    allowed = _parse_count_or_share(text)
    if allowed is None:
        raise ValueError(f"--max-failures is {text!r}, expected {_COUNT_OR_SHARE}")
    return allowed if isinstance(allowed, int) else int(allowed * units)


def _parse_count_or_share(text: str) -> int | float | None:
    try:
        allowed = int(text) if text.strip().isdecimal() else float(text)
    except ValueError:
        return None
    return allowed if isinstance(allowed, int) or 0 <= allowed < 1 else None


def parse_shard(text: str | None) -> tuple[int, int] | None:
    """Return (i, n) for ``"i/n"``, None for None.

    Raises:
        ValueError: the text has another form, or i is not in 1..n.
    """
    shard = None if text is None else _parse_shard(text)
    if text is not None and shard is None:
        raise ValueError(f"--shard is {text!r}, expected {_SHARD}")
    return shard


def _parse_shard(text: str) -> tuple[int, int] | None:
    i, _, n = text.partition("/")
    return (int(i), int(n)) if i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n) else None
