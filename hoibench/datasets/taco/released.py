"""TACO's released splits, found by name."""

from __future__ import annotations

from functools import cache

from hoibench.datasets.manifests import Line, Splits, shipped_splits
from hoibench.plugins import UnknownName

FIRST = "taco-syncmv4d@1"
"""The split that is meant where a part is named alone."""


@cache
def taco_splits() -> dict[str, Splits]:
    """Name -> split, ``FIRST`` first."""
    shipped = {splits.name: splits for splits in shipped_splits() if splits.name.startswith("taco-")}
    return {FIRST: shipped.pop(FIRST), **shipped}


def part_names() -> tuple[str, ...]:
    """What ``find_part`` takes: parts of the first split alone, those of the others by their whole names."""
    first, *others = taco_splits().values()
    return (*first.parts, *(f"{splits.name}/{part}" for splits in others for part in splits.parts))


def find_part(split: str) -> tuple[Splits, str]:
    """The split and the part that ``PART`` or ``NAME@VERSION/PART`` means.

    Raises:
        UnknownName: there is no such split; gives the nearest names.
    """
    name, _, part = split.rpartition("/")
    splits = taco_splits().get(name or FIRST)
    if splits is None or part not in splits.parts:
        raise UnknownName("split", split, part_names())
    return splits, part


def lines_of(split: str) -> tuple[Line, ...]:
    """The lines of a part as released; raises as ``find_part``."""
    splits, part = find_part(split)
    return splits.lines(part)
