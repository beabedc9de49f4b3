"""Fields of configurations: each has a provenance (the source of its value) and, where not every value is valid, a range."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, fields, is_dataclass
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

NOT_IN_PAPER = "not in paper"


class Range(NamedTuple):
    """A range of valid values: ``text`` describes it in messages, ``contains`` returns whether a number is in it."""

    text: str
    contains: Callable[[float], bool]


COUNT = Range("1 or more", lambda value: value >= 1)
POSITIVE = Range("a positive number", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Range("0 or more", lambda value: 0 <= value < math.inf)
SHARE = Range("within [0, 1]", lambda value: 0 <= value <= 1)
BELOW_ONE = Range("within [0, 1)", lambda value: 0 <= value < 1)


def paper(default: Any, where: str, within: Range | None = None, *, later: bool = False) -> Any:
    """Declare a dataclass field with a default that the paper gives, at ``where``; ``within`` is the range of valid values.

    A ``later`` field was added when models had been stored: where a stored configuration lacks it, it has its default, and the default is not stored.
    """
    return _field(default, where, within, later)


def ours(default: Any, why: str, within: Range | None = None) -> Any:
    """Declare a dataclass field that the paper leaves open: ``why`` is the reason for its default, ``within`` the range of valid values."""
    return _field(default, f"{NOT_IN_PAPER}: {why}", within)


def departs(default: Any, where: str, why: str, within: Range | None = None) -> Any:
    """Declare a dataclass field whose default is not the paper's: the paper gives its own at ``where``, and ``why`` is the reason for this one."""
    return _field(default, f"departs from {where}: {why}", within)


def check_ranges(config: Any, prefix: str = "") -> None:
    """Check that the fields of a configuration are in their ranges; for a tuple each number must be, and None is valid.

    Raises:
        ValueError: a value is out of its field's range; names both.
    """
    for each in fields(config):
        value, within = getattr(config, each.name), each.metadata.get("within")
        if within is None or value is None:
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(map(within.contains, numbers)):
            raise ValueError(f"{prefix}{each.name} is {value}: expected {within.text}")


def later_defaults(kind: Any) -> dict[str, Any]:
    """Return the defaults, by name, of the fields of a configuration's class that stored configurations may lack."""
    return {each.name: each.default for each in fields(kind) if each.metadata.get("later")}


def from_stored(kind: Callable[..., T], stored: Mapping[str, Any]) -> T:
    """Build a configuration of class ``kind`` from stored fields, such as those of a config.json; lists become tuples, other keys are ignored."""
    names = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in stored.items() if k in names})


class FieldSource(NamedTuple):
    """The dotted name of a configuration's field, its value, and the source of the value in words, such as ``section 4.2``."""

    field: str
    value: Any
    source: str


def field_sources(config: Any, prefix: str = "") -> Iterator[FieldSource]:
    """Yield the source of the value of each field of a configuration and of nested ones; ``prefix`` precedes the names."""
    for each in fields(config):
        value = getattr(config, each.name)
        if is_dataclass(value):
            yield from field_sources(value, f"{prefix}{each.name}.")
        else:
            source = each.metadata["source"]
            if value != each.default:
                source = f"this preset's own, instead of {each.default} ({source})"
            yield FieldSource(prefix + each.name, value, source)


def _field(default: Any, source: str, within: Range | None, later: bool = False) -> Any:
    return field(default=default, metadata={"source": source, "within": within, "later": later})
