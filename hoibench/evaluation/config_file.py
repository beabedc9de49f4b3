"""The settings of a run as JSON or TOML values: in run.json, and in the file given by ``--config``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hoibench.arguments import Option
from hoibench.evaluation.config import RunConfig
from hoibench.problems import Problem, raise_if_any
from hoibench.store.records import explain


def config_to_json(config: RunConfig) -> dict[str, Any]:
    """Convert the settings to JSON values, for run.json."""
    plain = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    return {
        name: str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value
        for name, value in plain.items()
    }


def config_from_json(table: Mapping[str, Any]) -> RunConfig:
    """Convert JSON values, as from ``config_to_json``, to settings.

    Raises:
        ValueError: a value has the wrong type; the message names it.
    """
    try:
        return TypeAdapter(RunConfig).validate_python(dict(table))
    except ValidationError as error:
        raise ValueError(explain(error, RunConfig, "run.json: config")) from error


def to_arguments(where: str, table: Mapping[str, Any]) -> list[str]:
    """Convert a table of settings to command-line arguments, so that files and flags are checked in the same way.

    Raises:
        ProblemsFound: a key is unknown, or a value has the wrong type; the message names file, key and value of each.
    """
    arguments: list[str] = []
    problems: list[Problem] = []
    for key, value in table.items():
        try:
            arguments += _settings_arguments(where, value) if key == "methods" else _key_arguments(where, key, value)
        except ValueError as error:
            problems.append(Problem.from_text(str(error)))
    raise_if_any(problems)
    return arguments


def _key_arguments(where: str, key: str, value: Any) -> list[str]:
    """Convert one setting to arguments."""
    fields = {f.name: f for f in dataclasses.fields(RunConfig)}
    name = key.replace("-", "_")
    if name not in fields or name == "config":
        raise ValueError(
            f"{where}: unknown setting {key!r}, expected one of {', '.join(sorted(fields.keys() - {'config'}))}"
        )
    if isinstance(value, Mapping):
        raise ValueError(f"{where}: {key} is a table, expected a value or a list")
    if name == "metrics" and isinstance(value, list):
        value = ",".join(map(str, value))
    return _flag_arguments(f"{where}: {key}", Option.of(RunConfig, fields[name]), value)


def _flag_arguments(where: str, option: Option, value: Any) -> list[str]:
    """Convert one value of an option to arguments."""
    items = value if isinstance(value, list) else [] if value is None else [value]
    is_flag = option.type is bool
    if isinstance(value, list) and not option.is_list:
        raise ValueError(f"{where} is {value!r}, expected one value")
    if any(isinstance(item, bool) != is_flag for item in items):
        raise ValueError(f"{where} is {value!r}, expected {'true or false' if is_flag else 'a number or a text'}")
    if is_flag:
        return [option.flag if item else f"--no-{option.flag[2:]}" for item in items]
    for item in items:
        option.convert_element(where, str(item))
    return [word for item in items for word in (option.flag, str(item))]


def _settings_arguments(where: str, methods: Any) -> list[str]:
    """Convert tables such as ``[methods."syncmv4d+nano"]`` to ``--set`` arguments."""
    arguments: list[str] = []
    for method, settings in methods.items() if isinstance(methods, Mapping) else [("methods", methods)]:
        if not isinstance(settings, Mapping):
            raise ValueError(f"{where}: {method} is {settings!r:.80}, expected a table of settings")
        for key, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ["--set", f"{method}.{key}={text}"]
    return arguments
