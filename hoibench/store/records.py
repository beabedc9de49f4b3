"""Pydantic models of file formats: one model writes, reads and checks a file."""

from __future__ import annotations

import dataclasses
import difflib
import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from hoibench.store.bounded_file import read_bounded
from hoibench.store.json_file import parse_json, read_json, write_json

M = TypeVar("M")

MAX_TOML_BYTES = 64 << 10
_MOST_DOTS = 200
"""Most dots in a line of TOML: reading a key of n parts takes n * n steps."""

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_TOO_SHORT = ("too_short", "string_too_short")
_MOST_PROBLEMS = 5
_LONGEST_VALUE = 80


class Record(BaseModel):
    """Base class for pydantic models of files and of tables in files: immutable, no unknown keys, no type conversion, no NaN.

    A model of a complete JSON file sets ``SCHEMA``, which is stored under the key ``schema``:

        class Settings(Record):
            SCHEMA = "hoibench/settings@1"
            size: tuple[int, int]

        Settings(size=(480, 704)).write(path)
        Settings.read(path).size  # (480, 704)
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    SCHEMA: ClassVar[str] = ""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a JSON file of this format, and return its values as an instance of this class.

        Raises:
            FileNotFoundError: the file does not exist.
            ValueError: the file is not JSON or has another schema, or a key is missing, unknown or invalid; names file, key, value and expectation.
        """
        return cls._from_table(read_json(path, cls.SCHEMA), str(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Self:
        """Return the values in the contents of a JSON file of this format; ``where`` names the file in the message of a ValueError, see ``read``."""
        return cls._from_table(parse_json(data, cls.SCHEMA, where), where)

    def write(self, path: Path) -> None:
        """Write this record to the JSON file ``path``, atomically."""
        write_json(path, self.to_json())

    @classmethod
    def _from_table(cls, table: dict[str, Any], where: str) -> Self:
        del table["schema"]
        return parse_record(cls, table, where)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, with the key ``schema`` if its class sets ``SCHEMA``."""
        schema = {"schema": self.SCHEMA} if self.SCHEMA else {}
        return schema | self.model_dump(mode="json")


def parse_record(model: type[M], table: Any, where: str) -> M:
    """Return the values of a JSON or TOML file as an instance of ``model``; lists become tuples where the model has tuples.

    Args:
        model: a pydantic model, or a dataclass whose ``__pydantic_config__`` is ``Record.model_config``.
        table: the values, as ``json.loads`` or ``tomllib.loads`` returns them.
        where: file, and line or table in it; starts the error message.

    Raises:
        ValueError: the values do not fit; names key, value and expectation of up to five problems.
    """
    try:
        return TypeAdapter(model).validate_json(json.dumps(table, default=str))
    except ValidationError as error:
        raise ValueError(explain(error, model, where)) from error
    except (ValueError, RecursionError) as error:  # of a number with thousands of digits, or of a thousand nested lists
        raise ValueError(f"{where} cannot be used: {error}") from error


def read_toml(model: type[M], item: Traversable) -> M:
    """Read a TOML file, which may be in a package, and return its values as an instance of ``model``.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: the file has over 64 KiB, or over 200 dots in a line, is not TOML, or a key is missing, unknown or invalid; names file, key,
            value and expectation.
    """
    data = read_bounded(item, MAX_TOML_BYTES) if isinstance(item, Path) else item.read_bytes()
    dots = max(line.count(b".") for line in data.split(b"\n"))
    if dots > _MOST_DOTS:
        raise ValueError(f"{item} has {dots} dots in a line, expected at most {_MOST_DOTS}: write more lines")
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{item} is not TOML: {' '.join(str(error).split())}") from error
    return parse_record(model, table, str(item))


def explain(error: ValidationError, model: type[Any], where: str) -> str:
    """Return a validation error's message for users: ``where``, then key, value and expectation of up to five problems."""
    problems = list_problems(error, model)
    more = [f"and {len(problems) - _MOST_PROBLEMS} more"] if len(problems) > _MOST_PROBLEMS else []
    return f"{where}: " + "; ".join([*problems[:_MOST_PROBLEMS], *more])


def list_problems(error: ValidationError, model: type[Any]) -> list[str]:
    """Return key, value and expectation of each problem of a validation error, without those of a list that only follow from its items."""
    found = error.errors(include_url=False)
    outer = {details["loc"][:n] for details in found for n in range(len(details["loc"]))}
    return [_problem(details, model) for details in found if details["loc"] not in outer]


def _problem(details: ErrorDetails, model: type[Any]) -> str:
    place, value = _dotted(details["loc"]), _short_repr(details["input"])
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        return f"the key {place!r} is missing"
    if details["type"] in _UNKNOWN_KEY:
        *outer, name = details["loc"]
        known = _keys(model, outer)
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"expected {', '.join(known)}" if known else "remove it"
        return f"unknown key {place!r}: {hint}"
    if details["type"] in _TOO_SHORT and not details["input"]:
        return f"{place} is empty"
    if details["type"] == "value_error":
        return f"{place}: {message}" if place else message
    return f"{place or 'it'} is {value}: {message[:1].lower()}{message[1:]}"


def _keys(kind: Any, outer: Sequence[int | str]) -> list[str]:
    """Return the keys, sorted, that the model or dataclass ``kind`` has at the location ``outer``, a path of keys and indices; empty if unknown."""
    for part in outer:
        kind = get_args(kind)[0] if isinstance(part, int) and get_args(kind) else _fields(kind).get(str(part))
    return sorted(_fields(kind))


def _fields(kind: Any) -> dict[str, Any]:
    """Return key -> type of a model or dataclass; empty for other types."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {field.alias or name: field.annotation for name, field in kind.model_fields.items()}
    return get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}


def _dotted(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


def _short_repr(value: Any) -> str:
    text = f"an object with {len(value)} keys" if isinstance(value, Mapping) else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
