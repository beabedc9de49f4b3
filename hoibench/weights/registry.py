"""The registry of weight files, read from registry.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import PositiveInt, StringConstraints

from hoibench.plugins import UnknownName
from hoibench.store.records import Record, read_toml


class Weight(Record):
    """One weight file.

    Attributes:
        id: its name in metric cards and method specs.
        file: the file's name in a weights folder.
        url: where it is fetched from, pinned to a revision.
        sha256: 64 hex digits.
        bytes: its size.
        licence: of the weights, as their authors state it.
        used_by: metrics and methods that load it.
    """

    id: str
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: PositiveInt
    licence: str
    used_by: tuple[str, ...]


class _Registry(Record):
    """registry.toml."""

    weight: tuple[Weight, ...]


@lru_cache(maxsize=1)
def all_weights() -> Mapping[str, Weight]:
    """Every registered weight by id."""
    registry = read_toml(_Registry, files("hoibench.weights") / "registry.toml")
    return {weight.id: weight for weight in registry.weight}


def weight(id: str) -> Weight:
    """The registered weight with this id.

    Raises:
        UnknownName: there is none; gives the nearest ids.
    """
    known = all_weights()
    if id not in known:
        raise UnknownName("weight", id, known)
    return known[id]
