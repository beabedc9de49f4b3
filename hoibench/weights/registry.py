"""The registry of weight files, read from registry.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from hoibench.plugins import UnknownName


@dataclass(frozen=True)
class Weight:
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
    file: str
    url: str
    sha256: str
    bytes: int
    licence: str
    used_by: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"weights {self.id}: url is {self.url!r}, expected http(s)")


@lru_cache(maxsize=1)
def all_weights() -> Mapping[str, Weight]:
    """Every registered weight by id."""
    text = files("hoibench.weights").joinpath("registry.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)["weight"]
    return {table["id"]: Weight(**{**table, "used_by": tuple(table["used_by"])}) for table in tables}


def weight(id: str) -> Weight:
    """The registered weight with this id.

    Raises:
        UnknownName: there is none; gives the nearest ids.
    """
    known = all_weights()
    if id not in known:
        raise UnknownName("weight", id, known)
    return known[id]
