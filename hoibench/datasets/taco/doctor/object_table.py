"""A table of TACO's objects and their categories, from the triplets of the sequences they appear in; TACO has no such table."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from hoibench.datasets.taco.download import ROLES, TacoSequence

_COLUMNS = ("object", "category", "roles", "sequences", "also")


@dataclass(frozen=True)
class ObjectRow:
    """One object.

    Attributes:
        id: three digits.
        category: its most frequent name.
        roles: ``tool``, ``target`` or both.
        sequences: number of sequences it appears in.
        also: other names -> number of sequences; an error, or an object with two uses.
    """

    id: str
    category: str
    roles: tuple[str, ...]
    sequences: int
    also: dict[str, int]


def object_rows(sequences: Iterable[TacoSequence]) -> tuple[ObjectRow, ...]:
    """Return the objects in the names of pose files, sorted by id; no file is opened."""
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    roles: dict[str, set[str]] = defaultdict(set)
    keys: dict[str, set[str]] = defaultdict(set)
    for sequence in sequences:
        tool, _, target = sequence.triplet
        for role, category in zip(ROLES, (tool, target), strict=True):
            try:
                object_id, _ = sequence.find_object_pose(role)
            except (ValueError, OSError):
                continue  # reported by the check of poses
            categories[object_id][category] += 1
            roles[object_id].add(role)
            keys[object_id].add(sequence.key)
    rows = []
    for object_id in sorted(categories):
        (category, _), *others = sorted(categories[object_id].items(), key=lambda item: (-item[1], item[0]))
        in_order = tuple(role for role in ROLES if role in roles[object_id])
        rows.append(ObjectRow(object_id, category, in_order, len(keys[object_id]), dict(others)))
    return tuple(rows)


def format_objects(sequences: Iterable[TacoSequence]) -> str:
    """Format ``object_rows`` as CSV."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in object_rows(sequences):
        also = ";".join(f"{category} in {count}" for category, count in row.also.items())
        writer.writerow([row.id, row.category, ";".join(row.roles), row.sequences, also])
    return stream.getvalue()
