"""A configuration as JSON, and back exactly: every field is there, none is unknown, and each value is of its field's type."""

from __future__ import annotations

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
        raise ValueError(f"{where}: {name} is {value!r:.80}, expected {hint if get_args(hint) else hint.__name__}")
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
