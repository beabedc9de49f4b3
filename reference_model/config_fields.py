"""Fields of configurations: each says where its value comes from and, where not every value will do, the range that it must lie in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import field, fields, is_dataclass
from typing import Any, NamedTuple

NOT_IN_PAPER = "not in paper"


class Range(NamedTuple):
    """Values that a number may have: in words, and as a test."""

    told: str
    holds: Callable[[float], bool]


COUNT = Range("1 or more", lambda value: value >= 1)
POSITIVE = Range("a positive number", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = Range("0 or more", lambda value: 0 <= value < math.inf)
SHARE = Range("within [0, 1]", lambda value: 0 <= value <= 1)
BELOW_ONE = Range("within [0, 1)", lambda value: 0 <= value < 1)


def paper(default: Any, where: str, within: Range | None = None) -> Any:
    """A field whose value the paper gives, at ``where``."""
    return _field(default, where, within)


def ours(default: Any, why: str, within: Range | None = None) -> Any:
    """A field that the paper leaves open, and why it has this value."""
    return _field(default, f"{NOT_IN_PAPER}: {why}", within)


def departs(default: Any, where: str, why: str, within: Range | None = None) -> Any:
    """A field to which the paper gives another value, at ``where``, and why it has this one."""
    return _field(default, f"departs from {where}: {why}", within)


def check_ranges(config: Any) -> None:
    """Hold the fields of a configuration to their ranges, each number of a tuple to the tuple's; None is in all of them.

    Raises:
        ValueError: a value is out of its field's range; names both.
    """
    for each in fields(config):
        value, within = getattr(config, each.name), each.metadata.get("within")
        if within is None or value is None:
            continue
        numbers = value if isinstance(value, tuple) else (value,)
        if not numbers or not all(map(within.holds, numbers)):
            raise ValueError(f"{each.name} is {value}: expected {within.told}")


class Origin(NamedTuple):
    """Where the value of one field comes from."""

    field: str
    value: Any
    origin: str


def origins(config: Any, prefix: str = "") -> Iterator[Origin]:
    """The fields of a configuration and of those inside it: dotted name, value, and where the value comes from."""
    for each in fields(config):
        value = getattr(config, each.name)
        if is_dataclass(value):
            yield from origins(value, f"{prefix}{each.name}.")
        else:
            origin = each.metadata["origin"]
            if value != each.default:
                origin = f"this preset's own, in place of {each.default} ({origin})"
            yield Origin(prefix + each.name, value, origin)


def _field(default: Any, origin: str, within: Range | None) -> Any:
    return field(default=default, metadata={"origin": origin, "within": within})
