"""taco-*@1: the held-out splits of TACO that the papers describe and nobody published, and TACO's own, from its official lists.

What each is stands in taco.toml.  A sequence is in the same part of every variant of a split, and seen by the same cameras in all splits.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hoibench.datasets.base import ClipEntry
from hoibench.datasets.manifests import Line
from hoibench.datasets.taco.lists import FILES, Lists, read_lists
from hoibench.store import sha256_file
from splits.taco_assignments import HeldOut, Place, hold_out, official
from splits.taco_cameras import choose_cameras

Parts = dict[str, tuple[Line, ...]]

_TABLE = Path(__file__).with_name("taco.toml")


def releases(folder: Path) -> dict[str, tuple[Parts, dict[str, Any]]]:
    """Split name -> its parts and how they were made (fields of ``Release``), from the lists in a folder; errors as ``read_lists``."""
    table = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    lists = read_lists(folder)
    made_from = {name: sha256_file(folder / name) for name in FILES}
    places = {name: _places(table, name, lists) for name in table["assignments"]}
    return {
        name: _release(table, variant, lists, places[variant["assignment"]], made_from)
        for name, variant in table["splits"].items()
    }


def _places(table: Mapping[str, Any], name: str, lists: Lists) -> dict[str, Place]:
    assignment = table["assignments"][name]
    if "hold_out" not in assignment:
        return official(lists.parts, {part: item["tag"] for part, item in assignment["tags"].items()})
    rules = tuple(HeldOut(**rule) for rule in assignment["hold_out"])
    chosen = {key: table[key] for key in ("val_share", "pooled_below", "seed")}
    return hold_out(lists.triplets, rules, **chosen)


def _release(
    table: Mapping[str, Any],
    variant: Mapping[str, str],
    lists: Lists,
    places: Mapping[str, Place],
    made_from: Mapping[str, str],
) -> tuple[Parts, dict[str, Any]]:
    assignment = table["assignments"][variant["assignment"]]
    recipe = {name: variant[name] for name in table["recipe"]}
    there = lists.marker_removed if recipe["video"] == "marker-removed" else lists.triplets.keys()
    parts: Parts = {}
    for part in assignment["parts"]:
        keys = sorted(key for key in there if places[key].part == part)
        parts[part] = tuple(_line(key, lists, places[key], recipe) for key in keys)
    drawn = "hold_out" in assignment
    reasons = assignment["hold_out"] if drawn else assignment["tags"].values()
    how = {
        "generator": f"{__name__}.releases",
        "seed": table["seed"] if drawn else None,
        "aliases": assignment["aliases"],
        "counts": {part: len(lines) for part, lines in parts.items()},
        "tags": {item["tag"]: item["why"] for item in reasons},
        "recipe": {name: table["recipe"][name][value] for name, value in recipe.items()},
        "cameras": table["cameras"],
        "made_from": made_from,
        "made_with": {"scikit-learn": version("scikit-learn")} if drawn else {},
        "credit": table["credit"],
    }
    return parts, how


def _line(key: str, lists: Lists, place: Place, recipe: Mapping[str, str]) -> Line:
    serials, source = choose_cameras(key)
    return Line(ClipEntry(key, lists.triplets[key], None, serials, 0, place.tags), source, recipe)
