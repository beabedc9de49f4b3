"""Generate synthetic-reach@1: clips in which hands reach for their objects and grasp them, or release them and withdraw.

The part test has four clips of each combination of the hands (left, right, both) and the change of contact (grasp, release), with four targets; demo
has the first of each.  Triplets are those of synthetic@2/test_seen; no clip of synthetic@2 has the same pair of object instances.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hoibench.datasets.split_files import SplitLine
from hoibench.datasets.taco.download import Triplet
from splits import synthetic

NAME = "synthetic-reach@1"
RECIPE = {
    "tool_instance": "number of the tool's instance in its category",
    "target_instance": "number of the target's instance in its category",
    "seed": "seed of the scene",
    "hands": "hands that grasp or release their objects; another one holds its object in all frames",
    "change": "grasp, or release, which is a grasp in reverse",
    "time": "seconds at which the hands hold their objects first (grasp) or last (release)",
}
HANDS = (("left",), ("right",), ("left", "right"))
TIMES = {"grasp": (1.2, 1.5), "release": (0.6, 0.9)}
"""Least and largest ``time`` of a change, seconds."""
RESTING_TOOL = "kettle"
"""The tool that the right hand reaches for: it stands on the table there; others lean on their targets, or have fingers below."""
LOOSE_TOOLS = ("eraser", "soap")
"""Tools that are held by fingertips, whose contact the tracked points miss."""
ONE_WAY = ("put in", "put out")
"""Actions that are another action in reverse."""
CLIPS_OF_A_KIND = 4
NUMBERS = range(988, 1000)
"""Last three digits of the ids; those of synthetic@2 end at 986."""

MISSED: frozenset[synthetic.Pair] = frozenset({("081", "036"), ("081", "112"), ("082", "036")})
"""Pairs of object instances that were drawn again, since the tracked points miss a contact; test_reach.py checks the others."""


def parts() -> dict[str, tuple[SplitLine, ...]]:
    """Return the clips of synthetic-reach@1: part -> its clips, sorted by id."""
    keys = synthetic.draw_keys(np.random.default_rng([synthetic.SEED, 1]), NUMBERS)
    used = {line.entry.instances for lines in synthetic.parts().values() for line in lines if line.entry.instances}
    used |= MISSED
    test: list[SplitLine] = []
    for hands, change in itertools.product(HANDS, TIMES):
        triplets = _triplets(hands, change)
        for _ in range(CLIPS_OF_A_KIND):
            rng = np.random.default_rng(
                [synthetic.SEED, 2, len(test)]
            )  # so that a clip that is drawn again keeps the others
            (line,) = synthetic.draw_part(_at_random(triplets, rng), 1, used, True, keys, rng)
            time = round(float(rng.uniform(*TIMES[change])), 3)
            test.append(replace(line, recipe={**line.recipe, "hands": hands, "change": change, "time": time}))
            triplets = [triplet for triplet in triplets if line.entry.triplet and triplet[2] != line.entry.triplet[2]]
    demo = test[::CLIPS_OF_A_KIND]
    return {
        part: tuple(sorted(lines, key=lambda line: line.entry.id)) for part, lines in (("test", test), ("demo", demo))
    }


def _at_random(triplets: list[Triplet], rng: np.random.Generator) -> Iterator[Triplet]:
    while True:
        yield triplets[rng.integers(len(triplets))]


def _triplets(hands: tuple[str, ...], change: str) -> list[Triplet]:
    """Return the (tool, action, target) of test_seen with a tool for these hands, and an action that can be reversed if need be."""
    return [
        triplet
        for triplet in synthetic.seen_triplets()
        if (triplet[0] == RESTING_TOOL if "right" in hands else triplet[0] not in LOOSE_TOOLS)
        and (change == "grasp" or triplet[1] not in ONE_WAY)
    ]
