"""The registry of weight files, read from registry.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Annotated

from pydantic import PositiveInt, StringConstraints

from hoibench.plugins import get_by_name
from hoibench.store.records import Record, read_toml


class Weight(Record):
    """The description of one registered weight file.

    Attributes:
        id: its name in metric cards and method specs.
        file: the file name in a weights folder.
        url: the download URL, pinned to a revision.
        sha256: 64 hex digits.
        bytes: size of the file.
        licence: licence of the weights, as stated by their authors.
        used_by: names of the metrics and methods that load the file.
    """

    id: str
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    bytes: PositiveInt
    licence: str
    used_by: tuple[str, ...]


class _Registry(Record):
    """The content of registry.toml."""

    weight: tuple[Weight, ...]


@lru_cache(maxsize=1)
def all_weights() -> Mapping[str, Weight]:
    """Return id -> description of every registered weight file."""
    registry = read_toml(_Registry, files("hoibench.weights") / "registry.toml")
    return {weight.id: weight for weight in registry.weight}


def get_weight(id: str) -> Weight:
    """Return the description of the weight file that is registered with an id.

    Raises:
        UnknownName: the id is not registered; suggests the nearest ids.
    """
    return get_by_name("weight", id, all_weights())
