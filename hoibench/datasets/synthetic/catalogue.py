"""The catalogue of synthetic scenes: (tool, action, target) triplets, object categories and instances, and the ids of objects in files."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pydantic import RootModel

from hoibench.datasets.synthetic.objects import blocks, sticks, vessels
from hoibench.datasets.synthetic.objects.object_model import ObjectModel, SizeSampler
from hoibench.datasets.taco.download import Triplet
from hoibench.store.records import read_toml

INSTANCES = 10
"""Number of instances of each object category, which differ in size."""

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
    """The triplets and objects that ``build_scene`` accepts.

    Attributes:
        triplets: (tool, action, target), sorted.
        categories: object categories, sorted.
        instances: number of instances of each category.
    """

    triplets: tuple[Triplet, ...]
    categories: tuple[str, ...]
    instances: int

    def object_id(self, category: str, instance: int) -> str:
        """Return the three-digit id of an instance in file names, from ``001`` to ``200``.

        Raises:
            ValueError: the category or instance does not exist.
        """
        if category not in self.categories:
            near = ", ".join(difflib.get_close_matches(category, self.categories)) or ", ".join(self.categories)
            raise ValueError(f"no object category {category!r}; nearest: {near}")
        if not 0 <= instance < self.instances:
            raise ValueError(f"{category} has no instance {instance}: give 0 to {self.instances - 1}")
        return f"{1 + self.categories.index(category) * self.instances + instance:03d}"


class _TripletTable(RootModel[dict[str, dict[str, tuple[str, ...]]]]):
    """The content of triplets.toml: action -> tool -> targets."""


@cache
def catalogue() -> Catalogue:
    """Return the catalogue of all triplets in triplets.toml and all object categories."""
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
    """Build the object with an instance number in a category; equal arguments give equal objects."""
    categories = catalogue().categories
    return OBJECT_BUILDERS[category](SizeSampler(categories.index(category), instance, INSTANCES))
