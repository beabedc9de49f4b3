"""Generate the splits of TACO, taco-*@2, from its official sequence lists.

The splits are those that papers describe but never published, and TACO's own.  taco.toml defines each split.  A sequence is in the same part of all
variants of a split, and has the same cameras in all splits.  Both depend on the sequence alone, not on the rest of the lists.  Earlier versions,
taco-*@1, are kept as they were released.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import Triplet
from hoibench.store import sha256_file
from hoibench.store.records import Record, read_toml
from splits.key_hash import key_hash
from splits.taco_assignments import HeldOut, Place, hold_out, official_place
from splits.taco_balance import balance_cameras
from splits.taco_cameras import Serials, draw_source, draw_trio
from splits.taco_lists import FILES, Lists, read_lists, released_lists

Parts = dict[str, tuple[SplitLine, ...]]

_TABLE = Path(__file__).with_name("taco.toml")


class Tag(Record):
    """A tag of clips, and the reason ``why`` clips have it."""

    tag: str
    why: str


class Assignment(Record):
    """A rule that assigns clips to the parts of a split: by ``hold_out`` rules, or, without these, by TACO's own list.

    Attributes:
        parts: names of the parts.
        aliases: other name -> part that it stands for.
        hold_out: rules by which clips are in ``test_unseen``.
        tags: part -> tag of its clips, for TACO's own list.
    """

    parts: tuple[str, ...]
    aliases: dict[str, str]
    hold_out: tuple[HeldOut, ...] = ()
    tags: dict[str, Tag] = Field({})


class Trio(Record):
    """The serials of a left, a center and a right camera, and the share (``weight``, among all weights) of clips that they film."""

    serials: Serials
    weight: int


class Variant(Record):
    """A split: the name of its assignment of clips to parts, and the ``crop`` and kind of ``video`` of its clips."""

    assignment: str
    crop: str
    video: str


class Table(Record):
    """The content of taco.toml.

    Attributes:
        val_share: expected share of ``val`` among the clips that are not held out; the others are in ``train``.
        credit: the source of the data.
        membership: the rule by which clips that are not held out are in ``train`` or ``val``.
        cameras: the rule by which each clip's cameras are chosen.
        trios: trios of scored cameras, and their shares.
        official_tags: tag -> its meaning, of the tags by TACO's own split.
        recipe: value of ``crop`` or ``video`` -> its meaning.
        assignments: name -> assignment of clips to parts.
        splits: name -> split.
    """

    val_share: float
    credit: str
    membership: str
    cameras: str
    trios: tuple[Trio, ...]
    official_tags: dict[str, str]
    recipe: dict[Literal["crop", "video"], dict[str, str]]
    assignments: dict[str, Assignment]
    splits: dict[str, Variant]

    @property
    def weights(self) -> dict[Serials, int]:
        """Trio of scored cameras -> its share of the sum of the weights."""
        return {trio.serials: trio.weight for trio in self.trios}


def read_table() -> Table:
    """Read taco.toml."""
    return read_toml(Table, _TABLE)


def releases(folder: Path) -> dict[str, tuple[Parts, dict[str, Any]]]:
    """Generate the splits from the official lists in a folder: split name -> (part -> clips, fields of its ``Release`` except ``files``).

    Raises the errors of ``read_lists``.
    """
    lists = read_lists(folder)
    made_from = {name: sha256_file(folder / name) for name in FILES}
    return {name: (parts, fields | {"made_from": made_from}) for name, (parts, fields) in split_lists(lists).items()}


def split_lists(lists: Lists) -> dict[str, tuple[Parts, dict[str, Any]]]:
    """Split the sequences of lists: split name -> (part -> clips, fields of its ``Release`` except ``files`` and ``made_from``).

    The part and the cameras of a sequence depend on its key, its triplet and its part in TACO's own split, not on other sequences.
    """
    table = read_table()
    places = find_places(table, lists)
    return {name: _split(table, variant, lists, places[variant.assignment]) for name, variant in table.splits.items()}


def find_places(table: Table, lists: Lists) -> dict[str, dict[str, Place]]:
    """Return name of the assignment -> sequence key -> place, of every sequence in the lists."""
    return {
        name: {key: _place(table, assignment, lists, key) for key in lists.triplets}
        for name, assignment in table.assignments.items()
    }


@cache
def balanced_cameras() -> dict[str, Serials]:
    """Return sequence key -> scored cameras, balanced in each part for evaluation, of TACO's sequences of version 1 (about a second)."""
    table = read_table()
    lists = released_lists()
    places = find_places(table, lists)
    groups = {}
    # Sorted by triplet, so that the clips of a tool or an action have all cameras, too.
    for key in sorted(lists.triplets, key=lambda key: (lists.triplets[key], key_hash(f"{key}/cameras"))):
        names = [f"{name} {place[key].part}" for name, place in places.items() if place[key].part != "train"]
        groups[key] = (*names, *(f"{name} marker-removed" for name in names if key in lists.marker_removed))
    return balance_cameras(groups, table.weights)


def _place(table: Table, assignment: Assignment, lists: Lists, key: str) -> Place:
    part = lists.parts[key]
    if not assignment.hold_out:
        return official_place(part, {name: item.tag for name, item in assignment.tags.items()})
    return hold_out(key, lists.triplets[key], part, assignment.hold_out, table.val_share)


def _split(table: Table, variant: Variant, lists: Lists, places: Mapping[str, Place]) -> tuple[Parts, dict[str, Any]]:
    assignment = table.assignments[variant.assignment]
    recipe = {"crop": variant.crop, "video": variant.video}
    available = lists.marker_removed if variant.video == "marker-removed" else lists.triplets.keys()
    weights = table.weights
    parts: Parts = {}
    for part in assignment.parts:
        keys = sorted(key for key in available if places[key].part == part)
        parts[part] = tuple(
            _line(
                key,
                lists.triplets[key],
                places[key].tags,
                balanced_cameras().get(key) or draw_trio(key, weights),
                recipe,
            )
            for key in keys
        )
    is_drawn = bool(assignment.hold_out)
    reasons = assignment.hold_out or assignment.tags.values()
    how = {
        "generator": f"{__name__}.releases",
        "seed": None,
        "aliases": assignment.aliases,
        "counts": {part: len(lines) for part, lines in parts.items()},
        "tags": {item.tag: item.why for item in reasons} | (table.official_tags if is_drawn else {}),
        "recipe": {"crop": table.recipe["crop"][variant.crop], "video": table.recipe["video"][variant.video]},
        "membership": table.membership if is_drawn else "",
        "cameras": table.cameras,
        "credit": table.credit,
    }
    return parts, how


def _line(key: str, triplet: Triplet, tags: tuple[str, ...], serials: Serials, recipe: Mapping[str, str]) -> SplitLine:
    return SplitLine(ClipEntry(key, triplet, None, serials, 0, tags), draw_source(key, serials), recipe)
