"""A table of TACO's objects and their categories, from the triplets of the sequences they appear in; TACO has no such table."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from hoibench.datasets.taco.download import OBJECT_ROLES, TacoSequence

_COLUMNS = ("object", "category", "roles", "sequences", "also")


@dataclass(frozen=True)
class ObjectRow:
    """One object of TACO, a row of the table of objects.

    Attributes:
        id: three digits.
        category: its name in most of the triplets (tool, action, target).
        roles: ``tool``, ``target`` or both.
        sequences: number of sequences with it.
        also: its other names -> number of sequences; a sign of an error, or of an object with two uses.
    """

    id: str
    category: str
    roles: tuple[str, ...]
    sequences: int
    also: dict[str, int]


def object_rows(sequences: Iterable[TacoSequence]) -> tuple[ObjectRow, ...]:
    """Return the table of the sequences' objects, sorted by id, from the names of pose files and of folders; no file is opened."""
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    roles: dict[str, set[str]] = defaultdict(set)
    keys: dict[str, set[str]] = defaultdict(set)
    for sequence in sequences:
        tool, _, target = sequence.triplet
        for role, category in zip(OBJECT_ROLES, (tool, target), strict=True):
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
        in_order = tuple(role for role in OBJECT_ROLES if role in roles[object_id])
        rows.append(ObjectRow(object_id, category, in_order, len(keys[object_id]), dict(others)))
    return tuple(rows)


def format_objects(sequences: Iterable[TacoSequence]) -> str:
    """Return the table of the sequences' objects (see ``object_rows``) as CSV text with a header."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for row in object_rows(sequences):
        also = ";".join(f"{category} in {count}" for category, count in row.also.items())
        writer.writerow([row.id, row.category, ";".join(row.roles), row.sequences, also])
    return stream.getvalue()
