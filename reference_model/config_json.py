"""A configuration as JSON, and back exactly, and changed by a table of some of its fields: none is unknown, and each value is of its field's type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from reference_model.config import SyncMV4DConfig

_Config = TypeVar("_Config")


def as_table(config: SyncMV4DConfig) -> dict[str, Any]:
    """The configuration as an object of JSON, tuples as lists."""
    return {name: _plain(value) for name, value in asdict(config).items()}


def as_config(where: str, table: Any) -> SyncMV4DConfig:
    """The configuration that ``as_table`` wrote.

    Args:
        where: what errors call the table, e.g. the path of its file.
        table: read from JSON.

    Raises:
        ValueError: a field is missing, unknown or holds what it cannot; names it and its value.
    """
    return _read(SyncMV4DConfig, where, "config", table)


def changed(config: _Config, where: str, name: str, table: Any) -> _Config:
    """The configuration with a table's values in place of its own; tables inside change the configurations inside.

    Args:
        config: a dataclass.
        where: what errors call the origin of the table, e.g. the path of its file.
        name: what errors call the table.
        table: read from TOML or JSON.

    Raises:
        ValueError: a field is unknown or holds what it cannot; names it, its value and what is expected.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: {name} is {table!r:.80}, expected a table")
    hints = get_type_hints(type(config))
    if unknown := sorted(table.keys() - hints.keys()):
        raise ValueError(f"{where}: {name} has no field {', '.join(unknown)}: expected some of {', '.join(hints)}")
    values = {each: getattr(config, each) for each in hints}
    for each, value in table.items():
        there, named = values[each], f"{name}.{each}"
        values[each] = (
            changed(there, where, named, value) if is_dataclass(there) else _value(hints[each], where, named, value)
        )
    return _made(type(config), where, name, values)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return list(value) if isinstance(value, tuple) else value


def _read(kind: type[_Config], where: str, name: str, table: Any) -> _Config:
    if not isinstance(table, Mapping):
        raise ValueError(f"{where}: {name} is {table!r:.80}, expected an object")
    hints = get_type_hints(kind)
    known = {each.name: hints[each.name] for each in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    if unknown := sorted(table.keys() - known.keys()):
        raise ValueError(
            f"{where}: {name} has {', '.join(unknown)}, which this version does not know: use the one that wrote it"
        )
    if missing := sorted(known.keys() - table.keys()):
        raise ValueError(f"{where}: {name} lacks {', '.join(missing)}: use the version that wrote it")
    values = {each: _value(hint, where, f"{name}.{each}", table[each]) for each, hint in known.items()}
    return _made(kind, where, name, values)


def _made(kind: type[_Config], where: str, name: str, values: Mapping[str, Any]) -> _Config:
    """A configuration of these values, which checks itself."""
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {name}: {error}") from error


def _value(hint: Any, where: str, name: str, value: Any) -> Any:
    if is_dataclass(hint):
        return _read(hint, where, name, value)  # type: ignore[arg-type]  # a class, not an object
    if get_origin(hint) is tuple and isinstance(value, list):
        value = tuple(value)
    if not fits(hint, value):
        raise ValueError(f"{where}: {name} is {value!r:.80}, expected {told(hint)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{where}: {name} is {value}, expected a finite number")
    return value


def fits(hint: Any, value: Any) -> bool:
    """Whether a value, lists being tuples, is of a field's type: no truth value is a number, and no other number an integer."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind is UnionType:
        return any(fits(each, value) for each in inner)
    if kind is Literal:
        return value in inner and isinstance(value, str)
    if kind is tuple:
        each = inner[:1] * len(value) if inner[-1] is Ellipsis and isinstance(value, tuple) else inner
        return isinstance(value, tuple) and len(value) == len(each) and all(map(fits, each, value))
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint


def told(hint: Any) -> str:
    """A field's type in words."""
    if get_origin(hint) is Literal:
        return f"one of {', '.join(get_args(hint))}"
    return str(hint) if get_args(hint) else str(hint.__name__)
