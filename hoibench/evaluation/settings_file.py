"""The settings of a run as a file holds them: run.json, and the file of ``--config``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hoibench.evaluation.config import RunConfig
from hoibench.store.records import explain


def as_json(config: RunConfig) -> dict[str, Any]:
    """The settings as plain JSON values, as run.json keeps them and ``--config`` reads them."""
    plain = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
    }


def config_of_json(table: Mapping[str, Any]) -> RunConfig:
    """The settings that ``as_json`` gave.

    Raises:
        ValueError: a value is not of its setting's type; names it.
    """
    try:
        return TypeAdapter(RunConfig).validate_python(dict(table))
    except ValidationError as error:
        raise ValueError(explain(error, RunConfig, "run.json: config")) from error


def as_arguments(where: str, table: Mapping[str, Any]) -> list[str]:
    """The command-line arguments that say what a table of settings says, so that files and flags are checked alike.

    Raises:
        ValueError: a key is unknown or a value is itself a table; names file, key and value.
    """
    known = {f.name for f in dataclasses.fields(RunConfig)}
    arguments: list[str] = []
    for key, value in table.items():
        name = key.replace("-", "_")
        if name == "methods":
            arguments += _settings_arguments(where, value)
            continue
        if name not in known or name == "config":
            raise ValueError(f"{where}: unknown setting {key!r}; there are {', '.join(sorted(known - {'config'}))}")
        if isinstance(value, Mapping):
            raise ValueError(f"{where}: {key} is a table, expected a value or a list")
        flag = "--" + name.replace("_", "-")
        if isinstance(value, bool):
            arguments.append(flag if value else "--no-" + flag.removeprefix("--"))
        else:
            items = value if isinstance(value, list) else [] if value is None else [value]
            arguments += [word for item in items for word in (flag, str(item))]
    return arguments


def _settings_arguments(where: str, methods: Any) -> list[str]:
    """The ``--set`` arguments of tables such as ``[methods."syncmv4d+micro"]``."""
    arguments: list[str] = []
    for method, settings in methods.items() if isinstance(methods, Mapping) else [("methods", methods)]:
        if not isinstance(settings, Mapping):
            raise ValueError(f"{where}: {method} is {settings!r:.80}, expected a table of settings")
        for key, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["--set", f"{method}.{key}={text}"]
    return arguments
