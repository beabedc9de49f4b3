"""Generate the splits of TACO, taco-*@1, from its official sequence lists.

The splits are those that papers describe but never published, and TACO's own.  taco.toml defines each split.  A sequence is in the same part of all
variants of a split, and has the same cameras in all splits.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.split_files import SplitLine
from hoibench.store import sha256_file
from hoibench.store.records import Record, read_toml
from splits.taco_assignments import HeldOut, Place, hold_out, official_places
from splits.taco_cameras import choose_cameras
from splits.taco_lists import FILES, Lists, read_lists

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


class Variant(Record):
    """A split: the name of its assignment of clips to parts, and the ``crop`` and kind of ``video`` of its clips."""

    assignment: str
    crop: str
    video: str


class Table(Record):
    """The content of taco.toml.

    Attributes:
        seed: the seed of random choices.
        val_share: share of the clips that are not held out in ``val``; the others are in ``train``.
        pooled_below: triplets with fewer clips are pooled by action when ``val`` is drawn, see ``strata``.
        credit: the source of the data.
        cameras: the rule by which each clip's cameras are chosen.
        recipe: value of ``crop`` or ``video`` -> its meaning.
        assignments: name -> assignment of clips to parts.
        splits: name -> split.
    """

    seed: int
    val_share: float
    pooled_below: int
    credit: str
    cameras: str
    recipe: dict[Literal["crop", "video"], dict[str, str]]
    assignments: dict[str, Assignment]
    splits: dict[str, Variant]


def releases(folder: Path) -> dict[str, tuple[Parts, dict[str, Any]]]:
    """Generate the splits from the official lists in a folder: split name -> (part -> clips, fields of its ``Release`` except ``files``).

    Raises the errors of ``read_lists``.
    """
    table = read_toml(Table, _TABLE)
    lists = read_lists(folder)
    made_from = {name: sha256_file(folder / name) for name in FILES}
    places = {name: _places(table, assignment, lists) for name, assignment in table.assignments.items()}
    return {
        name: _release(table, variant, lists, places[variant.assignment], made_from)
        for name, variant in table.splits.items()
    }


def _places(table: Table, assignment: Assignment, lists: Lists) -> dict[str, Place]:
    if not assignment.hold_out:
        return official_places(lists.parts, {part: item.tag for part, item in assignment.tags.items()})
    return hold_out(
        lists.triplets,
        assignment.hold_out,
        val_share=table.val_share,
        pooled_below=table.pooled_below,
        seed=table.seed,
    )


def _release(
    table: Table, variant: Variant, lists: Lists, places: Mapping[str, Place], made_from: Mapping[str, str]
) -> tuple[Parts, dict[str, Any]]:
    assignment = table.assignments[variant.assignment]
    recipe = {"crop": variant.crop, "video": variant.video}
    available = lists.marker_removed if variant.video == "marker-removed" else lists.triplets.keys()
    parts: Parts = {}
    for part in assignment.parts:
        keys = sorted(key for key in available if places[key].part == part)
        parts[part] = tuple(_line(key, lists, places[key], recipe) for key in keys)
    drawn = bool(assignment.hold_out)
    reasons = assignment.hold_out or assignment.tags.values()
    how = {
        "generator": f"{__name__}.releases",
        "seed": table.seed if drawn else None,
        "aliases": assignment.aliases,
        "counts": {part: len(lines) for part, lines in parts.items()},
        "tags": {item.tag: item.why for item in reasons},
        "recipe": {"crop": table.recipe["crop"][variant.crop], "video": table.recipe["video"][variant.video]},
        "cameras": table.cameras,
        "made_from": made_from,
        "made_with": {"scikit-learn": version("scikit-learn")} if drawn else {},
        "credit": table.credit,
    }
    return parts, how


def _line(key: str, lists: Lists, place: Place, recipe: Mapping[str, str]) -> SplitLine:
    serials, source = choose_cameras(key)
    return SplitLine(ClipEntry(key, lists.triplets[key], None, serials, 0, place.tags), source, recipe)
