"""How two copies of TACO differ, by their indices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from hoibench.datasets.taco.inventory.fingerprint import CameraPrint
from hoibench.datasets.taco.inventory.index_record import Record

_Value = TypeVar("_Value")


def compare(first: tuple[Record, ...], second: tuple[Record, ...]) -> dict[str, tuple[str, ...]]:
    """Key -> differences in words, of every sequence that is not the same in two indices, sorted by key.

    Content is compared where both have it: which zips were downloaded is no difference, but a sequence of which one copy has nothing is.
    """
    ones, others = ({record.key: record for record in records} for records in (first, second))
    found: dict[str, tuple[str, ...]] = {}
    for key in sorted(ones.keys() | others.keys()):
        if key not in ones or key not in others:
            found[key] = (f"only in the {'first' if key in ones else 'second'} index",)
        elif words := tuple(_differences(ones[key], others[key])):
            found[key] = words
    return found


def _differences(one: Record, other: Record) -> Iterator[str]:
    if one.triplet != other.triplet:
        yield f"triplet is {one.triplet} against {other.triplet}"
    yield from (f"{role} is object {a} against {b}" for role, a, b in _changed(one.objects, other.objects))
    if one.frames is not None and other.frames is not None and one.frames != other.frames:
        yield f"{one.frames} frames against {other.frames}"
    yield from (f"{role} poses have other values" for role, _, _ in _changed(one.poses, other.poses))
    yield from (f"{side} hand has other values" for side, _, _ in _changed(one.hands, other.hands))
    yield from _camera_differences(one.cameras, other.cameras)
    for name, mine, theirs in (("first", one, other), ("second", other, one)):
        yield from (f"{problem} (in the {name} only)" for problem in mine.problems if problem not in theirs.problems)


def _camera_differences(one: Mapping[str, CameraPrint], other: Mapping[str, CameraPrint]) -> Iterator[str]:
    if one and other:
        for name, mine, theirs in (("first", one, other), ("second", other, one)):
            yield from (f"camera {serial} is calibrated in the {name} only" for serial in mine if serial not in theirs)
    for serial, a, b in _changed(one, other):
        yield from (f"camera {serial}: {words}" for words in a.differences(b))


def _changed(one: Mapping[str, _Value], other: Mapping[str, _Value]) -> Iterator[tuple[str, _Value, _Value]]:
    """(name, its values) where both have the name and the values differ."""
    return ((name, one[name], other[name]) for name in one if name in other and one[name] != other[name])
