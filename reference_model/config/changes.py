"""Reading of configurations from files: complete ones from JSON, and TOML tables that change some fields of a preset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

from pydantic import BeforeValidator, SerializerFunctionWrapHandler, WrapSerializer

from hoibench.store.records import Record, parse_record
from reference_model.config import SyncMV4DConfig
from reference_model.config.fields import later_defaults


def apply_changes(config: SyncMV4DConfig, where: str, table: Any) -> SyncMV4DConfig:
    """Return a copy of a configuration with the fields that a table names replaced; nested tables change nested configurations.

    Args:
        config: the configuration to change.
        where: the file with the table ``model``, for messages.
        table: new values by field name, as read from TOML or JSON.

    Raises:
        ValueError: a field is unknown or its value is invalid; names the field, the value and what is expected.
    """
    merged = _merge(asdict(config), table) if isinstance(table, Mapping) else table
    return parse_record(_ChangedConfig, {"model": merged}, where).model


def _merge(values: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    return {**values} | {
        name: _merge(values[name], value)
        if isinstance(values.get(name), Mapping) and isinstance(value, Mapping)
        else value
        for name, value in table.items()
    }


def _check_complete(value: Any) -> Any:
    """Return a stored configuration with tuples for lists, as pydantic expects it.

    Raises:
        ValueError: a field is missing; its default may have changed since the configuration was stored.
    """
    if missing := sorted(_missing_fields(SyncMV4DConfig, value)):
        raise ValueError(f"it lacks {', '.join(missing)}: use the version that wrote it")
    return _lists_to_tuples(value)


def _lists_to_tuples(value: Any) -> Any:
    """Return a value from JSON with tuples for lists, at every depth: pydantic does not convert them after a validator."""
    if isinstance(value, Mapping):
        return {name: _lists_to_tuples(each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _missing_fields(kind: Any, value: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):  # a configuration object, or an invalid value that validation reports
        return
    hints = get_type_hints(kind)
    for each in fields(kind):
        if each.name not in value:
            if each.metadata.get("later"):
                continue
            yield f"{prefix}{each.name}"
        elif is_dataclass(hints[each.name]):
            yield from _missing_fields(hints[each.name], value[each.name], f"{prefix}{each.name}.")


def _without_later_defaults(config: Any, handler: SerializerFunctionWrapHandler) -> Any:
    """Return a configuration as it is stored: later fields that have their defaults are left out, so that earlier configurations stay as they are."""
    return _remove_later_defaults(config, handler(config))


def _remove_later_defaults(config: Any, stored: dict[str, Any]) -> dict[str, Any]:
    defaults = later_defaults(config)
    return {
        name: _remove_later_defaults(getattr(config, name), value) if isinstance(value, dict) else value
        for name, value in stored.items()
        if not (name in defaults and value == defaults[name])
    }


CompleteConfig = Annotated[
    SyncMV4DConfig, BeforeValidator(_check_complete), WrapSerializer(_without_later_defaults, when_used="always")
]
"""Type of a configuration as a field of a ``Record`` (a JSON file's data model): reading it fails if a value is missing."""


class _ChangedConfig(Record):
    """A record with the changed configuration as its field ``model``, so that pydantic checks the values that a user gave."""

    model: SyncMV4DConfig
