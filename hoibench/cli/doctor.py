"""``hoibench doctor``: what methods need on this machine, and how to get it."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import tyro

from hoibench.arguments import parse
from hoibench.cli.data_doctor import PROBLEMS
from hoibench.cli.run import read_config_file, resolve_device
from hoibench.methods.entrants import SettingMissing, find_missing_settings, select_entrants, setting_target
from hoibench.methods.method import Entrant, Runtime
from hoibench.methods.needs import clone_command
from hoibench.methods.preflight import find_start_problems
from hoibench.methods.registry import installed_specs

_WIDTH = 150


@dataclass(frozen=True)
class Doctor:
    """Check what methods need: settings, terms, code, interpreter, files, models and GPU memory. Nothing is loaded or written.

    The exit code is 0 if all can start, and 3 if one cannot. A run checks the same before it starts.
    """

    methods: tyro.conf.Positional[tuple[str, ...]] = ()
    """METHOD or METHOD+PRESET. Default: all installed methods."""

    set: tuple[str, ...] = field(default=(), metadata={"metavar": "METHOD.KEY=VALUE", "whole": True})
    """A setting of a method, or of METHOD+PRESET (see hoibench ls settings); repeat it for several, since a value may have commas."""

    config: Path | None = None
    """A run's configuration file, of which the tables [methods.METHOD] are read."""

    weights: Path | None = None
    """A folder with weight files, as for a run."""

    json: bool = False
    """Print JSON."""


@dataclass(frozen=True)
class Diagnosis:
    """A method with its needs, and which of them are missing.

    Attributes:
        method: the entrant's key.
        title: its full name.
        code: the repository, tested commit and licence of upstream code, or None.
        clone: the command that downloads that code; None if it is no setting.
        terms: terms of use that the user must accept.
        environment: how to install what it needs.
        gpu_mb: the GPU memory that it needs in MiB, or None.
        problems: why it cannot start, each with what to do; empty if it can.
    """

    method: str
    title: str
    code: str | None
    clone: str | None
    terms: str
    environment: str
    gpu_mb: int | None
    problems: tuple[str, ...]


def doctor_command(arguments: Sequence[str]) -> int:
    """Run ``hoibench doctor``: print a diagnosis of each method, and return exit code 3 if one cannot start, else 0."""
    options = parse(Doctor, arguments, "hoibench doctor")
    names = options.methods or tuple(installed_specs())
    found = diagnose(names, [*_settings_in(options.config, names), *options.set], options.weights)
    if options.json:
        print(json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(map(format_diagnosis, found)))
    return PROBLEMS if any(each.problems for each in found) else 0


def diagnose(names: Sequence[str], settings: Sequence[str], weights: Path | None = None) -> list[Diagnosis]:
    """Return the diagnoses of methods.

    Args:
        names: ``METHOD`` or ``METHOD+PRESET``.
        settings: ``METHOD.KEY=VALUE`` or ``METHOD+PRESET.KEY=VALUE``.
        weights: a folder with weight files, or None.

    Raises:
        ValueError: a name or a setting is wrong.
        FileNotFoundError: the path in a setting does not exist.
    """
    try:
        entrants = select_entrants(names, settings=settings)
    except SettingMissing as error:
        entrants = list(error.entrants)
    missing = {
        e.key: [str(problem).removeprefix(f"{e.key} ") for problem in find_missing_settings(e)] for e in entrants
    }
    with_code = [entrant for entrant in entrants if entrant.spec.entry]
    problems = find_start_problems(with_code, Runtime(resolve_device("auto"), weights=weights))
    return [_diagnose(entrant, (*missing[entrant.key], *problems.get(entrant.key, ()))) for entrant in entrants]


def _diagnose(entrant: Entrant, problems: tuple[str, ...]) -> Diagnosis:
    spec, upstream = entrant.spec, entrant.spec.upstream
    code = None if upstream is None else f"{upstream.repository} at {upstream.commit}, licence: {upstream.licence}"
    return Diagnosis(
        method=entrant.key,
        title=spec.title,
        code=code,
        clone=clone_command(spec) if "upstream" in spec.settings else None,
        terms=spec.terms,
        environment=spec.environment,
        gpu_mb=entrant.needed_gpu_mb,
        problems=problems,
    )


def format_diagnosis(found: Diagnosis) -> str:
    """Return a diagnosis as lines of text."""
    rows = [
        ("code", found.code),
        ("", found.clone),
        ("terms", found.terms if not any(found.terms in problem for problem in found.problems) else None),
        ("install", found.environment),
        ("GPU", found.gpu_mb and f"{found.gpu_mb} MiB"),
        *(("problem", problem) for problem in found.problems),
        ("", "" if found.problems else "ready"),
    ]
    return "\n".join([f"{found.method}: {found.title}", *(_format_row(name, text) for name, text in rows if text)])


def _format_row(name: str, text: str) -> str:
    width = min(_WIDTH, shutil.get_terminal_size((_WIDTH, 0)).columns)
    return textwrap.fill(
        text, width, initial_indent=f"  {name:8}", subsequent_indent=" " * 10, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


def _settings_in(config: Path | None, names: Sequence[str]) -> list[str]:
    """Return the settings of some methods in a configuration file, as ``METHOD.KEY=VALUE``."""
    if config is None:
        return []
    targets = {target for name in names for target in (name, name.partition("+")[0])}
    settings = [value for flag, value in pairwise(read_config_file(config)) if flag == "--set"]
    return [text for text in settings if setting_target(text) in targets]
