"""A configuration in files: whole, as JSON, and as a table of TOML that changes some of its fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Annotated, Any, get_type_hints

from pydantic import BeforeValidator

from hoibench.store.records import Record, parse_record
from reference_model.config import SyncMV4DConfig


def changed(config: SyncMV4DConfig, where: str, table: Any) -> SyncMV4DConfig:
    """The configuration with a table's values in place of its own; tables inside change the configurations inside.

    Args:
        config: what is changed.
        where: file that the table ``model`` is in; leads the message.
        table: read from TOML or JSON.

    Raises:
        ValueError: a field is unknown or holds what it cannot; names it, its value and what is expected.
    """
    merged = _merged(asdict(config), table) if isinstance(table, Mapping) else table
    return parse_record(_Changed, {"model": merged}, where).model


def _merged(values: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    return {**values} | {
        name: _merged(values[name], value)
        if isinstance(values.get(name), Mapping) and isinstance(value, Mapping)
        else value
        for name, value in table.items()
    }


def _complete(value: Any) -> Any:
    """Refuse a stored configuration that lacks a field: today's default may not be what it was made with."""
    if missing := sorted(_missing(SyncMV4DConfig, value)):
        raise ValueError(f"it lacks {', '.join(missing)}: use the version that wrote it")
    return _with_tuples(value)


def _with_tuples(value: Any) -> Any:
    """Lists of JSON as tuples, which pydantic makes of them only where nothing was looked at before."""
    if isinstance(value, Mapping):
        return {name: _with_tuples(each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _missing(kind: Any, value: Any, prefix: str = "") -> Iterator[str]:
    if not isinstance(value, Mapping):  # a configuration itself, or what its validation refuses
        return
    hints = get_type_hints(kind)
    for each in fields(kind):
        if each.name not in value:
            yield f"{prefix}{each.name}"
        elif is_dataclass(hints[each.name]):
            yield from _missing(hints[each.name], value[each.name], f"{prefix}{each.name}.")


WholeConfig = Annotated[SyncMV4DConfig, BeforeValidator(_complete)]
"""The field of a ``Record`` that holds a configuration, no field of which is missing."""


class _Changed(Record):
    """The table of a launch configuration, over a preset."""

    model: SyncMV4DConfig
