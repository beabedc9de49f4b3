"""Which scenes exist: triplets, object instances, and the three-digit ids that objects have on disk."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import RootModel

from hoibench.datasets.synthetic.objects import blocks, sticks, vessels
from hoibench.datasets.synthetic.objects.object_model import ObjectModel, SizeSampler
from hoibench.store.records import read_toml

Triplet = tuple[str, str, str]

INSTANCES = 10
"""Instances of each category, numbered from 0."""

OBJECT_BUILDERS: dict[str, Callable[[SizeSampler], ObjectModel]] = {
    "bowl": vessels.bowl,
    "box": blocks.box,
    "brush": sticks.brush,
    "cup": vessels.cup,
    "eraser": blocks.eraser,
    "glue gun": sticks.glue_gun,
    "hammer": sticks.hammer,
    "helmet": blocks.helmet,
    "kettle": vessels.kettle,
    "knife": sticks.knife,
    "pan": vessels.pan,
    "plate": vessels.plate,
    "roller": sticks.roller,
    "ruler": sticks.ruler,
    "screwdriver": sticks.screwdriver,
    "soap": blocks.soap,
    "spatula": sticks.spatula,
    "spoon": sticks.spoon,
    "teapot": vessels.teapot,
    "toy": blocks.toy,
}


@dataclass(frozen=True)
class Catalogue:
    """Everything ``build_scene`` can make.

    Attributes:
        triplets: (tool, action, target), sorted.
        categories: object categories, sorted; each has ``instances`` instances.
        instances: how many instances each category has.
    """

    triplets: tuple[Triplet, ...]
    categories: tuple[str, ...]
    instances: int

    def object_id(self, category: str, instance: int) -> str:
        """Three-digit id, ``001`` to ``200``, of an instance, the same as a tool and as a target.

        Raises:
            ValueError: there is no such category or instance.
        """
        if category not in self.categories:
            near = ", ".join(difflib.get_close_matches(category, self.categories)) or ", ".join(self.categories)
            raise ValueError(f"no object category {category!r}; nearest: {near}")
        if not 0 <= instance < self.instances:
            raise ValueError(f"{category} has no instance {instance}: give 0 to {self.instances - 1}")
        return f"{1 + self.categories.index(category) * self.instances + instance:03d}"

    def find_object(self, object_id: str) -> tuple[str, int]:
        """The (category, instance) of a three-digit id.

        Raises:
            ValueError: no object has this id.
        """
        known = len(self.categories) * self.instances
        if not (len(object_id) == 3 and object_id.isdecimal() and 1 <= int(object_id) <= known):
            raise ValueError(f"no synthetic object has id {object_id!r}: ids run from 001 to {known:03d}")
        category, instance = divmod(int(object_id) - 1, self.instances)
        return self.categories[category], instance


class _TripletTable(RootModel[dict[str, dict[str, tuple[str, ...]]]]):
    """triplets.toml: action -> tool -> targets."""


@cache
def catalogue() -> Catalogue:
    """The catalogue, read once."""
    table = read_toml(_TripletTable, files("hoibench.datasets.synthetic") / "triplets.toml")
    triplets = [
        (tool, action, target)
        for action, tools in table.root.items()
        for tool, targets in tools.items()
        for target in targets
    ]
    return Catalogue(tuple(sorted(triplets)), tuple(sorted(OBJECT_BUILDERS)), INSTANCES)


@cache
def make_object(category: str, instance: int) -> ObjectModel:
    """The object of a category and instance number, always the same one.

    Raises:
        ValueError: there is no such category or instance.
    """
    known = catalogue()
    known.object_id(category, instance)  # refuses what is not there
    return OBJECT_BUILDERS[category](SizeSampler(known.categories.index(category), instance, known.instances))
